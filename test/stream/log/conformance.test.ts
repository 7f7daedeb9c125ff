/** The embedded log holds what every source has to. */
import { describeSource } from '../source-conformance.ts'
import { logHarness } from './log-harness.ts'

describeSource('a log of this process', () => logHarness('log'))
describeSource('the folder of a log', () => logHarness('folder'))
