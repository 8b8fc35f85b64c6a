#ifndef DEFLATE_TUNING_H
#define DEFLATE_TUNING_H

/* Levels after libdeflate's own, 0 to 12. */
enum { TUNED_CODE = 13, TUNED_PROGRAMS, MOST_LEVEL = TUNED_PROGRAMS };

/* As libdeflate_alloc_compressor, for those too; NULL when there is no memory. */
struct libdeflate_compressor *alloc_compressor_at(int level);

#endif
