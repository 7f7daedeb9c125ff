/** The parts of kafkajs below its declared interface that `decode.ts` measures. */
declare module 'kafkajs/src/protocol/decoder.js' {
  export default class Decoder {
    constructor(bytes: Buffer)
  }
}
declare module 'kafkajs/src/protocol/encoder.js' {
  export default class Encoder {
    readonly buffer: Buffer
    writeEncoder(value: object): Encoder
  }
}
declare module 'kafkajs/src/protocol/recordBatch/record/v0/index.js' {
  export default function Record(record: object): object
}
declare module 'kafkajs/src/protocol/recordBatch/v0/index.js' {
  export function RecordBatch(batch: object): Promise<object>
}
declare module 'kafkajs/src/protocol/recordBatch/v0/decoder.js' {
  import type Decoder from 'kafkajs/src/protocol/decoder.js'
  export default function decode(
    decoder: Decoder,
  ): Promise<{ readonly records: readonly { readonly value: Buffer }[] }>
}
