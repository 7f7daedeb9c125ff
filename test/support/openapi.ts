/**
 * Validates JSON against the schemas of an OpenAPI document. Knows the parts of YAML and JSON Schema that the
 * document of the REST catalog uses, no more; what it does not know it refuses.
 */
import { type JsonValue, jsonObject } from '../../src/core/json.ts'

/** What is wrong with the value, by path; empty if it is valid. */
export type Validator = (schemaName: string, value: JsonValue) => string[]

export function openApiValidator(yaml: string): Validator {
  const schemas = (parseYaml(yaml) as Node)['components'] as Node
  const byName = schemas['schemas'] as Node
  const find = (ref: string): Node => {
    const schema = byName[ref.replace('#/components/schemas/', '')]
    if (schema === undefined) throw new Error(`the document has no ${ref}`)
    return schema as Node
  }
  return (name, value) => validate(find(name), value, '$', find)
}

type Yaml = string | number | boolean | null | Yaml[] | Node
interface Node {
  [key: string]: Yaml
}

function validate(
  schema: Node,
  value: JsonValue,
  path: string,
  find: (ref: string) => Node,
): string[] {
  const problems: string[] = []
  const sub = (s: Yaml, v: JsonValue, at: string): string[] => validate(s as Node, v, at, find)
  if (schema['$ref'] !== undefined) return sub(find(schema['$ref'] as string), value, path)
  if (value === null && schema['nullable'] === true) return []
  if (schema['type'] !== undefined && !hasType(value, schema['type'] as string)) {
    return [`${path}: expected ${schema['type'] as string}`]
  }
  if (schema['const'] !== undefined && schema['const'] !== value) {
    problems.push(`${path}: expected ${schema['const'] as string}`)
  }
  const allowed = schema['enum'] as Yaml[] | undefined
  if (allowed !== undefined && !allowed.includes(value as Yaml)) {
    problems.push(`${path}: ${String(value)} is not one of ${allowed.join(', ')}`)
  }
  for (const part of (schema['allOf'] as Yaml[] | undefined) ?? []) {
    problems.push(...sub(part, value, path))
  }
  for (const kind of ['oneOf', 'anyOf']) {
    const options = schema[kind] as Yaml[] | undefined
    if (options === undefined) continue
    const results = options.map((option) => sub(option, value, path))
    if (!results.some((r) => r.length === 0)) problems.push(`${path}: none of ${kind} fits`)
  }
  if (Array.isArray(value)) {
    const items = schema['items']
    if (items !== undefined) {
      value.forEach((item, i) => {
        problems.push(...sub(items, item, `${path}[${i}]`))
      })
    }
  } else if (typeof value === 'object' && value !== null) {
    problems.push(...validateObject(schema, value, path, sub))
  }
  return problems
}

function validateObject(
  schema: Node,
  value: { [key: string]: JsonValue },
  path: string,
  sub: (s: Yaml, v: JsonValue, at: string) => string[],
): string[] {
  const problems: string[] = []
  for (const key of (schema['required'] as string[] | undefined) ?? []) {
    if (!Object.hasOwn(value, key)) problems.push(`${path}: ${key} is missing`)
  }
  const properties = (schema['properties'] as Node | undefined) ?? {}
  const rest = schema['additionalProperties']
  for (const key of Object.keys(value)) {
    const known = properties[key] ?? (typeof rest === 'object' ? rest : undefined)
    if (known === undefined || known === null) continue
    problems.push(...sub(known, value[key] as JsonValue, `${path}.${key}`))
  }
  return problems
}

function hasType(value: JsonValue, type: string): boolean {
  switch (type) {
    case 'object':
      return typeof value === 'object' && value !== null && !Array.isArray(value)
    case 'array':
      return Array.isArray(value)
    case 'integer':
      return typeof value === 'bigint' || Number.isInteger(value)
    case 'number':
      return typeof value === 'bigint' || typeof value === 'number'
    case 'string':
    case 'boolean':
      return typeof value === type
    default:
      throw new Error(`unknown type ${type}`)
  }
}

interface Line {
  readonly indent: number
  readonly text: string
}

/** Block mappings and sequences, plain and quoted scalars, flow sequences of scalars; block scalars lose their lines. */
export function parseYaml(text: string): Yaml {
  const lines = text
    .split('\n')
    .map((line) => ({ indent: line.search(/\S/), text: line.trim() }))
    .filter((line) => line.text !== '' && !line.text.startsWith('#') && line.text !== '---')
  return new YamlReader(lines).block(0)
}

const KEY = /^("[^"]*"|'[^']*'|[^\s"'[{#&*!|>%@`-][^:]*?|-[^\s:][^:]*?):(?:\s+(.*))?$/

class YamlReader {
  private pos = 0
  private lines: Line[]

  constructor(lines: Line[]) {
    this.lines = lines
  }

  block(indent: number): Yaml {
    const line = this.lines[this.pos]
    if (line === undefined || line.indent < indent) return null
    if (line.text.startsWith('- ') || line.text === '-') return this.sequence(line.indent)
    return KEY.test(line.text) ? this.mapping(line.indent) : this.scalarLines(line.indent)
  }

  private sequence(indent: number): Yaml[] {
    const items: Yaml[] = []
    for (;;) {
      this.skipDeeper(indent)
      const line = this.lines[this.pos]
      if (line === undefined || line.indent !== indent || !/^-(\s|$)/.test(line.text)) return items
      const rest = line.text.slice(1)
      const text = rest.trim()
      if (text === '') {
        this.pos++
        items.push(this.block(indent + 1))
      } else if (KEY.test(text)) {
        // A mapping that begins beside its dash goes on at the column of its first key.
        const column = indent + 1 + rest.search(/\S/)
        this.lines[this.pos] = { indent: column, text }
        items.push(this.mapping(column))
      } else {
        this.pos++
        items.push(scalar(text))
        this.skipDeeper(indent)
      }
    }
  }

  private mapping(indent: number): Node {
    const node = jsonObject() as unknown as Node
    for (;;) {
      this.skipDeeper(indent)
      const line = this.lines[this.pos]
      if (line === undefined || line.indent !== indent) return node
      const match = KEY.exec(line.text)
      this.pos++
      if (match === null) continue
      const key = String(scalar(match[1] as string))
      const value = match[2]
      if (value === undefined || value === '' || value.startsWith('#')) {
        const next = this.lines[this.pos]
        const isSequence = next?.indent === indent && next.text.startsWith('- ')
        node[key] = this.block(isSequence ? indent : indent + 1)
      } else {
        node[key] = scalar(value)
        this.skipDeeper(indent)
      }
    }
  }

  /** The rest of a scalar of several lines: only descriptions have those, and nobody reads them here. */
  private scalarLines(indent: number): string {
    const first = this.lines[this.pos]?.text ?? ''
    this.pos++
    this.skipDeeper(indent - 1)
    return first
  }

  private skipDeeper(indent: number): void {
    while ((this.lines[this.pos]?.indent ?? -1) > indent) this.pos++
  }
}

function scalar(source: string): Yaml {
  const text = source.replace(/\s+#.*$/, '')
  if (/^".*"$|^'.*'$/.test(text)) return text.slice(1, -1)
  if (text.startsWith('[') && text.endsWith(']')) {
    const inner = text.slice(1, -1).trim()
    return inner === '' ? [] : inner.split(',').map((item) => scalar(item.trim()))
  }
  if (text === 'true' || text === 'false') return text === 'true'
  if (text === 'null' || text === '~') return null
  return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text
}
