import { dataExtents, type FileRoom } from '../../disk/data-extents.js';
import type { CodecChoice } from '../../entry/archive-format.js';
import { sparseMap, type SparseMap } from '../tar/sparse-map.js';

/** The map that an open file is stored with; undefined for one that is stored in full. Parameters: `dataExtents`. */
export function holesOf(
  fd: number,
  stats: FileRoom,
  choice: CodecChoice,
  goOn: () => void,
): SparseMap | undefined {
  const extents = dataExtents(fd, stats, choice, goOn);
  return extents === undefined ? undefined : sparseMap(extents, Number(stats.size));
}
