/**
 * The parquet-wasm binary, compiled once for a process and shared by its workers, with a ceiling on its memory: a
 * hostile file then fails to allocate inside the sandbox instead of taking the machine's memory.
 */
import { readFile } from 'node:fs/promises'
import { assert } from '../../core/errors.ts'

/**
 * Compiles the binary, once for each ceiling; the compiled code may be sent to workers.
 * @param maxMemoryBytes ceiling of one instance's memory, rounded up to pages of 64 KiB, at most 4 GiB.
 */
export function compileParquetWasm(maxMemoryBytes: number): Promise<WebAssembly.Module> {
  const pages = Math.min(MAX_PAGES, Math.ceil(maxMemoryBytes / PAGE_BYTES))
  let module = compiled.get(pages)
  if (module === undefined) {
    module = compile(pages)
    compiled.set(pages, module)
    // What failed is tried again by the next who asks.
    module.catch(() => compiled.delete(pages))
  }
  return module
}

const compiled = new Map<number, Promise<WebAssembly.Module>>()

async function compile(maxPages: number): Promise<WebAssembly.Module> {
  const url = new URL(import.meta.resolve('parquet-wasm/esm/parquet_wasm_bg.wasm'))
  return WebAssembly.compile(withMemoryMaximum(await readFile(url), maxPages))
}

/**
 * A WebAssembly binary whose own memory cannot grow beyond `maxPages` pages. The memory section is one entry:
 * flags, minimum, and a maximum if bit 0 of the flags is set.
 * @see https://webassembly.github.io/spec/core/binary/modules.html#memory-section
 */
export function withMemoryMaximum(binary: Uint8Array, maxPages: number): Uint8Array<ArrayBuffer> {
  const header = 8
  let pos = header
  const unsigned = (): number => {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = binary[pos++]
      assert(byte !== undefined && shift < 35, 'the parquet-wasm binary is well formed')
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) return value
    }
  }
  while (pos < binary.length) {
    const start = pos
    const id = binary[pos++]
    const length = unsigned()
    const end = pos + length
    if (id === MEMORY_SECTION) {
      assert(unsigned() === 1, 'the parquet-wasm binary has one memory')
      const flags = binary[pos++] as number
      const minimum = unsigned()
      const entry = [1, flags | 1, ...leb128(minimum), ...leb128(Math.max(minimum, maxPages))]
      const section = [MEMORY_SECTION, ...leb128(entry.length), ...entry]
      const patched = new Uint8Array(start + section.length + binary.length - end)
      patched.set(binary.subarray(0, start))
      patched.set(section, start)
      patched.set(binary.subarray(end), start + section.length)
      return patched
    }
    pos = end
  }
  assert(false, 'the parquet-wasm binary declares its memory')
}

const MEMORY_SECTION = 5
const PAGE_BYTES = 65_536
const MAX_PAGES = 65_536

function leb128(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  for (; rest >= 0x80; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80)
  bytes.push(rest)
  return bytes
}
