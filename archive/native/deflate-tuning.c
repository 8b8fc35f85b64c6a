/*
 * libdeflate's compressor, unchanged, and levels between its own: its `lazy` parser with other limits of the search. They
 * cannot be set from outside, so that this takes the place of lib/deflate_compress.c in the build.
 */
#include "libdeflate/lib/deflate_compress.c"

#include "deflate-tuning.h"

static const struct {
  unsigned depth, nice;
} tunings[] = {
    [TUNED_CODE] = {16, 65},
    [TUNED_PROGRAMS] = {6, 30},
};

struct libdeflate_compressor *alloc_compressor_at(int level) {
  if (level < TUNED_CODE) return libdeflate_alloc_compressor(level);
  struct libdeflate_compressor *compressor = libdeflate_alloc_compressor(6);
  if (compressor == NULL) return NULL;
  compressor->max_search_depth = tunings[level].depth;
  compressor->nice_match_length = tunings[level].nice;
  return compressor;
}
