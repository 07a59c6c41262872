/**
 * What ends in the next days, as swim-lanes: a lane for each registry and one for exemptions, today at the left. Its table
 * is the list below it. How near an end is says the shape of a mark as well as its colour.
 */
import { levelOf, type Entry } from './entries'
import './timeline.css'

const LABEL = 220
const WIDTH = 720
const LANE = 28
const HEAD = 24
/** Lanes that are drawn: those with the nearest ends. */
const MOST = 20

interface Lane {
  name: string
  entries: Entry[]
}

/** Lanes in the order of their next end. */
export function lanesOf(entries: Entry[]): Lane[] {
  const found = new Map<string, Entry[]>()
  for (const one of entries) {
    if (!one.expiresAt) continue
    const name = one.lane === 'exemption' ? 'exemptions' : (one.registry ?? one.name)
    found.set(name, [...(found.get(name) ?? []), one])
  }
  return [...found].map(([name, held]) => ({ name, entries: held }))
}

/** Where an end stands between today (0) and the last day (1); what has ended stands at 0. */
export function placed(expiresAt: string, now: number, days: number): number {
  return Math.min(1, Math.max(0, (Date.parse(expiresAt) - now) / (days * 86_400_000)))
}

export function Timeline({ entries, days, now }: { entries: Entry[]; days: number; now: number }) {
  const lanes = lanesOf(entries)
  const drawn = lanes.slice(0, MOST)
  const height = HEAD + drawn.length * LANE
  const x = (share: number) => LABEL + share * WIDTH
  const weeks = Array.from({ length: Math.floor(days / 15) + 1 }, (_, index) => index * 15)
  const next = entries.find((one) => one.expiresAt)
  return (
    <figure className="timeline">
      <svg
        viewBox={`0 0 ${LABEL + WIDTH + 24} ${height + 8}`}
        role="img"
        aria-label={`${entries.length} ends in ${lanes.length} lanes over ${days} days; the next is ${next?.name ?? 'none'}. The table below has all of them.`}
      >
        {weeks.map((day) => (
          <g key={day}>
            <line className={day ? 'grid' : 'today'} x1={x(day / days)} x2={x(day / days)} y1={HEAD - 6} y2={height} />
            <text className="tick" x={x(day / days)} y={HEAD - 10} textAnchor="middle">
              {day ? `${day} d` : 'today'}
            </text>
          </g>
        ))}
        {drawn.map((lane, index) => {
          const y = HEAD + index * LANE + LANE / 2
          return (
            <g key={lane.name}>
              <text className="lane" x={LABEL - 12} y={y + 4} textAnchor="end">
                {lane.name.length > 28 ? `${lane.name.slice(0, 27)}…` : lane.name}
              </text>
              <line className="grid" x1={LABEL} x2={LABEL + WIDTH} y1={y} y2={y} />
              {lane.entries.map((one) => (
                <Mark key={`${one.lane}/${one.name}`} entry={one} x={x(placed(one.expiresAt ?? '', now, days))} y={y} />
              ))}
            </g>
          )
        })}
      </svg>
      <figcaption className="fresh">
        ● later than 30 days, ◆ within 30, ▲ within 7 or ended.
        {lanes.length > MOST ? ` The ${MOST} lanes with the nearest ends of ${lanes.length}.` : ''}
      </figcaption>
    </figure>
  )
}

function Mark({ entry, x, y }: { entry: Entry; x: number; y: number }) {
  const { look, words } = levelOf(entry)
  const title = (
    <title>
      {entry.name}: {words}
    </title>
  )
  if (look === 'bad') return <path className="mark bad" d={`M${x} ${y - 8}L${x + 8} ${y + 6}H${x - 8}Z`}>{title}</path>
  if (look === 'warning') return <path className="mark warning" d={`M${x} ${y - 8}L${x + 8} ${y}L${x} ${y + 8}L${x - 8} ${y}Z`}>{title}</path>
  return <circle className="mark good" cx={x} cy={y} r={6}>{title}</circle>
}
