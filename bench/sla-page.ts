/** The plot of `bench:sla`: how many events were committed, and seen, within how long. */
import type { Latencies } from './sla-latencies.js'

const WIDTH = 900
const HEIGHT = 420
const LEFT = 60
const BOTTOM = 40
const COLORS = { committed: '#0b6bcb', visible: '#c2410c' }

export function slaPage(title: string, of: { committed: Latencies; visible: Latencies }): string {
  const most = Math.max(1000, of.committed.max, of.visible.max)
  const x = (ms: number): number => LEFT + (ms / most) * (WIDTH - LEFT - 20)
  const y = (share: number): number => 20 + (1 - share) * (HEIGHT - 20 - BOTTOM)
  const line = (latencies: Latencies, color: string): string => {
    let seen = 0
    const points = latencies.sorted().map(([tens, count]) => {
      seen += count
      return `${x((tens + 1) * 10).toFixed(1)},${y(seen / latencies.events).toFixed(1)}`
    })
    return `<polyline fill="none" stroke="${color}" stroke-width="2" points="${x(0)},${y(0)} ${points.join(' ')}"/>`
  }
  const ticks = Array.from({ length: 11 }, (_, i) => (most / 10) * i)
    .map(
      (ms) =>
        `<line x1="${x(ms)}" x2="${x(ms)}" y1="${y(0)}" y2="${y(1)}" stroke="#ddd"/>` +
        `<text x="${x(ms)}" y="${HEIGHT - 18}" text-anchor="middle">${(ms / 1000).toFixed(1)} s</text>`,
    )
    .join('')
  const shares = [0, 0.25, 0.5, 0.75, 0.99, 1]
    .map(
      (share) =>
        `<line x1="${x(0)}" x2="${x(most)}" y1="${y(share)}" y2="${y(share)}" stroke="#ddd"/>` +
        `<text x="${LEFT - 8}" y="${y(share) + 4}" text-anchor="end">${share * 100} %</text>`,
    )
    .join('')
  const legend = (name: keyof typeof COLORS, text: string, i: number): string => {
    const l = of[name]
    const s = (ms: number): string => `${(ms / 1000).toFixed(2)} s`
    return `<text x="${WIDTH - 420}" y="${y(0) - 50 + 20 * i}" fill="${COLORS[name]}">${text}: p50 ${s(l.quantile(0.5))}, p99 ${s(l.quantile(0.99))}, worst ${s(l.max)}</text>`
  }
  return `<!doctype html>
<meta charset="utf-8">
<title>Freshness</title>
<h1 style="font:600 18px system-ui">Freshness: ${title}</h1>
<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}" font-family="system-ui" font-size="12">
${ticks}${shares}
${line(of.committed, COLORS.committed)}
${line(of.visible, COLORS.visible)}
${legend('committed', 'due → committed', 0)}
${legend('visible', 'due → visible in Trino', 1)}
</svg>
`
}
