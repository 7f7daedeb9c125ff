/** Partition and sort transforms as data. Iceberg spec §Partition Transforms. Applying them: `transforms.ts`. */

export type Transform =
  | { readonly kind: 'identity' | 'year' | 'month' | 'day' | 'hour' | 'void' }
  | { readonly kind: 'bucket'; readonly numBuckets: number }
  | { readonly kind: 'truncate'; readonly width: number }
  /** A transform that this version does not know: kept as text, ignored for pruning, refused for writing. */
  | { readonly kind: 'unknown'; readonly text: string }
