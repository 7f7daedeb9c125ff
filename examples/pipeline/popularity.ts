/** Which video an event is about: few are watched by many (Zipf), and now and then one goes viral for a while. */
import { Random } from './random.ts'

export interface PopularityOptions {
  readonly videos: number
  /** A video goes viral each so many milliseconds; 0 for never. */
  readonly viralEveryMs: number
  readonly viralForMs: number
  /** Share of the events that all viral videos have together, of 0 to 1. */
  readonly viralShare: number
}

export class Popularity {
  readonly #options: PopularityOptions
  readonly #random: Random
  /** Says which video goes viral next: those that do go by the time, the other numbers by the events. */
  readonly #virality: Random
  /** For each rank the share of events of it and all ranks before. */
  readonly #shares: Float64Array
  /** The video that has a rank: so that the popular ones are not the first. */
  readonly #ranking: Int32Array
  #viral: { readonly video: number; readonly untilMs: number }[] = []
  #nextViralMs: number | undefined

  constructor(options: PopularityOptions, random: Random) {
    this.#options = options
    this.#random = random
    this.#virality = new Random(random.word())
    const { videos } = options
    this.#shares = new Float64Array(videos)
    this.#ranking = Int32Array.from({ length: videos }, (_, i) => i)
    let total = 0
    for (let i = 0; i < videos; i++) this.#shares[i] = total += 1 / (i + 1)
    for (let i = 0; i < videos; i++) this.#shares[i] = (this.#shares[i] as number) / total
    for (let i = videos - 1; i > 0; i--) {
      const other = random.below(i + 1)
      const video = this.#ranking[i] as number
      this.#ranking[i] = this.#ranking[other] as number
      this.#ranking[other] = video
    }
  }

  /** Videos that are viral. */
  get viral(): readonly number[] {
    return this.#viral.map(({ video }) => video)
  }

  /** The video of an event at a time, in milliseconds. Times do not go back. */
  next(nowMs: number): number {
    if (this.#options.viralEveryMs > 0) this.#turn(nowMs)
    const viral = this.#viral
    // As many numbers whether or not a video is viral: the time, which decides that, changes nothing else of the events.
    const chance = this.#random.unit()
    const share = this.#random.unit()
    if (viral.length > 0 && chance < this.#options.viralShare) {
      return (viral[Math.floor(share * viral.length)] as { video: number }).video
    }
    let low = 0
    let high = this.#shares.length - 1
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#shares[middle] as number) <= share) low = middle + 1
      else high = middle
    }
    return this.#ranking[low] as number
  }

  #turn(nowMs: number): void {
    const { viralEveryMs, viralForMs, videos } = this.#options
    this.#nextViralMs ??= nowMs + viralEveryMs / 4
    if (nowMs < this.#nextViralMs) return
    this.#viral = this.#viral.filter(({ untilMs }) => untilMs > nowMs)
    this.#viral.push({ video: this.#virality.below(videos), untilMs: nowMs + viralForMs })
    this.#nextViralMs = nowMs + viralEveryMs
  }
}
