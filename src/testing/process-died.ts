/**
 * What a store call of a dead process fails with. Not a `FloeError`: no answer of a store looks like it, so whatever
 * meets it can only stop, as with kill -9.
 */
export class ProcessDiedError extends Error {
  override readonly name: string = 'ProcessDiedError'

  constructor(process: string) {
    super(`The process "${process}" has died: it reaches no store any more`)
  }
}
