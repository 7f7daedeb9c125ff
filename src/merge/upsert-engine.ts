import { FloeError } from '../core/errors.ts'
import type { Environment } from '../iceberg/table/environment.ts'
import type { UpsertEngine, UpsertPlanner } from '../iceberg/table/upsert-engine.ts'

export class KeyedUpserts implements UpsertEngine {
  constructor(_env: Environment) {}
  planner(): Promise<UpsertPlanner> {
    return Promise.reject(new FloeError('UNSUPPORTED_OPERATION', 'not yet'))
  }
  close(): void {}
}
