/** What fsck looks for and what it found. The letters are those of docs/fsck.md. */

/** The invariants, in the order of docs/fsck.md. */
export const FSCK_CHECKS = {
  'unique-files': '(a) each data file has one live entry in a snapshot',
  'deletion-vectors':
    '(b) a data file has one deletion vector at most, of its partition, that is what the manifest and the Puffin footer say',
  'delete-files': '(b) position delete files are sorted and name rows that there are',
  'manifest-counts':
    '(c) counts, rows and sequence numbers of the manifest list are those of the manifests',
  'summary-totals': '(d) the totals of the snapshot summary are those of the manifests',
  'files-exist': '(e) every file that is referenced exists with the recorded size',
  'row-ids': '(f) row ids are given once and lie below next-row-id',
  bounds: '(g) no value of a data file lies outside its recorded bounds and counts are right',
  'current-snapshot':
    '(h) main is the current snapshot and sequence numbers rise along its ancestry',
  'snapshot-log': '(i) the snapshot log is ordered by time and ends with the current snapshot',
  'explicit-sequence-numbers': '(j) existing and deleted entries carry their sequence numbers',
  'spec-ids': '(k) every partition spec that is referred to is in the metadata',
} as const

export type FsckCheck = keyof typeof FSCK_CHECKS

export interface FsckProblem {
  readonly check: FsckCheck
  /** What is wrong, in a sentence. */
  readonly message: string
  readonly file?: string
  readonly snapshotId?: bigint
}

export interface FsckReport {
  /** True if there are no problems; warnings do not count. */
  readonly ok: boolean
  readonly problems: readonly FsckProblem[]
  /** What is allowed and does no harm but should not be there, such as deletes of files that are gone. */
  readonly warnings: readonly FsckProblem[]
  readonly checks: readonly FsckCheck[]
  readonly snapshots: number
  readonly manifests: number
  readonly files: number
  readonly durationMs: number
}

export interface FsckOptions {
  /** Read data and delete files and hold what they say against the metadata: 'sample' some, 'all', or 'none' (default). */
  readonly data?: 'none' | 'sample' | 'all' | undefined
  /** Check all retained snapshots, not the current one alone. Default true. */
  readonly allSnapshots?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

/** Where a finding is. */
export interface FsckPlace {
  readonly file?: string
  readonly snapshotId?: bigint
}

/** Collects problems and warnings. */
export class FsckFindings {
  readonly problems: FsckProblem[] = []
  readonly warnings: FsckProblem[] = []

  add(check: FsckCheck, message: string, where: FsckPlace = {}): void {
    this.problems.push({ check, message, ...where })
  }

  warn(check: FsckCheck, message: string, where: FsckPlace = {}): void {
    this.warnings.push({ check, message, ...where })
  }
}
