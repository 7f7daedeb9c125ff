/** Metrics in Prometheus's text format. */
import { describe, expect, it } from 'vitest'
import { PrometheusRecorder } from '../../src/observe/prometheus.ts'
import { errorOf } from '../support/expect-error.ts'

describe('PrometheusRecorder', () => {
  it('renders counters, gauges and histograms', () => {
    const recorder = new PrometheusRecorder()
    const labels = { stream: 'a "b" \\ c\nd' }
    const rows = recorder.counter('floe_rows_total', { help: 'Rows', labels })
    rows.add(2)
    rows.add(3)
    rows.add(-1)
    recorder.gauge('floe_lag', { help: 'Lag\nof it' }).set(7.5)
    const seconds = recorder.histogram('floe_seconds', { help: 'Time', boundaries: [0.1, 1] })
    for (const value of [0.05, 0.1, 0.5, 3]) seconds.record(value)
    expect(recorder.render()).toBe(
      [
        '# HELP floe_lag Lag\\nof it',
        '# TYPE floe_lag gauge',
        'floe_lag 7.5',
        '# HELP floe_rows_total Rows',
        '# TYPE floe_rows_total counter',
        'floe_rows_total{stream="a \\"b\\" \\\\ c\\nd"} 5',
        '# HELP floe_seconds Time',
        '# TYPE floe_seconds histogram',
        'floe_seconds_bucket{le="0.1"} 2',
        'floe_seconds_bucket{le="1"} 3',
        'floe_seconds_bucket{le="+Inf"} 4',
        'floe_seconds_sum 3.65',
        'floe_seconds_count 4',
        '',
      ].join('\n'),
    )
  })

  it('gives the same instrument for the same name and labels, and refuses what cannot be one', () => {
    const recorder = new PrometheusRecorder()
    recorder.counter('a_total', { help: '', labels: { x: '1' } }).add(1)
    recorder.counter('a_total', { help: '', labels: { x: '1' } }).add(1)
    recorder.counter('a_total', { help: '', labels: { x: '2' } }).add(5)
    expect(recorder.render()).toContain('a_total{x="1"} 2\na_total{x="2"} 5')
    errorOf('BAD_ARGUMENT', () => recorder.gauge('a_total', { help: '' }))
    errorOf('BAD_ARGUMENT', () => recorder.gauge('a-b', { help: '' }))
    errorOf('BAD_ARGUMENT', () => recorder.gauge('a', { help: '', labels: { 'x-y': '' } }))
  })
})
