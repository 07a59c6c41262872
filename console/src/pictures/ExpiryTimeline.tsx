/** What ends in the next ninety days, a lane for each registry; what never ends, and what has ended, stands out. */
import { useId } from 'react'

import { Go, here } from '../parts/Go'
import { useNow, When } from '../parts/Fresh'
import { Fills } from './fills'
import { Picture } from './Picture'
import { DAYS, lanes, ticks, type Entry, type Lane, type Mark } from './timeline'

const LANE = 28
const NAME = 200
const RIGHT = 90
const WIDTH = 1000
const HEAD = 26
/** Lanes that are drawn; the table has the entries of all. */
const LANES = 40
const ROWS = 200

export interface ExpiryTimelineProps {
  /** Entries as GET /api/v1/calendar answers them. */
  entries: Entry[]
  /** How many more there are that were not asked for. */
  more?: number
}

const at = (day: number) => NAME + (day / DAYS) * (WIDTH - NAME - RIGHT)

export function ExpiryTimeline({ entries, more = 0 }: ExpiryTimelineProps) {
  const id = useId()
  const now = useNow(60_000)
  // Tokens are minted anew several times a day, by themselves: they would hide what a person has to do.
  const shown = entries.filter((one) => one.lane !== 'token')
  const every = lanes(shown, now)
  const drawn = every.slice(0, LANES)
  const ending = every.reduce((sum, lane) => sum + lane.marks.length, 0)
  const over = every.reduce((sum, lane) => sum + lane.marks.filter((one) => one.overdue).length, 0)
  const never = every.reduce((sum, lane) => sum + lane.never.length, 0)
  if (!every.length) return <p className="fresh">Nothing is stored that could end.</p>
  const height = HEAD + drawn.length * LANE + 6
  return (
    <Picture
      title={`Ends in the next ${DAYS} days`}
      says={`${ending} end${ending === 1 ? 's' : ''}, ${over} of them over; ${never} without an end${every.length > drawn.length ? `; ${drawn.length} of ${every.length} lanes are drawn` : ''}${more ? `; ${more} more are in the list` : ''}`}
      width={WIDTH}
      height={height}
      file="expiry-timeline"
      legend={
        <p className="fresh">
          A bar is the time in which it is told of and should be rotated; its mark is the end. Hatched: it never ends, which nothing here should.
        </p>
      }
      table={<Twin entries={shown} />}
    >
      <Fills id={id} />
      {ticks(now).map((one) => (
        <g key={one.words}>
          <line x1={at(one.day)} x2={at(one.day)} y1={HEAD - 6} y2={height - 4} className={one.day ? 'axis-line' : 'today'} />
          <text x={at(one.day)} y={14} textAnchor="middle" className="axis-text">
            {one.words}
          </text>
        </g>
      ))}
      {drawn.map((lane, index) => (
        <LaneDrawn key={lane.name} lane={lane} y={HEAD + index * LANE} id={id} />
      ))}
    </Picture>
  )
}

function LaneDrawn({ lane, y, id }: { lane: Lane; y: number; id: string }) {
  const middle = y + LANE / 2
  return (
    <g>
      <line x1={NAME} x2={WIDTH - RIGHT} y1={y + LANE} y2={y + LANE} className="axis-line" />
      <text x={NAME - 8} y={middle + 4} textAnchor="end" className="axis-text">
        {lane.name.length > 30 ? `${lane.name.slice(0, 29)}…` : lane.name}
      </text>
      {lane.never.length && !lane.marks.length ? (
        <rect x={NAME} y={y + 6} width={WIDTH - NAME - RIGHT} height={LANE - 12} fill={`url(#${id}-unknown)`} className="never">
          <title>{`${lane.name}: ${lane.never.length} without an end`}</title>
        </rect>
      ) : null}
      {lane.marks.map((mark) => (
        <MarkDrawn key={`${mark.entry.lane}/${mark.entry.name}`} mark={mark} y={y} />
      ))}
      <text x={WIDTH - RIGHT + 8} y={middle + 4} className="axis-text">
        {[lane.never.length ? 'no end' : '', lane.later ? `${lane.later} later` : ''].filter(Boolean).join(', ')}
      </text>
    </g>
  )
}

function MarkDrawn({ mark, y }: { mark: Mark; y: number }) {
  const { entry } = mark
  const x = at(mark.day)
  const middle = y + LANE / 2
  const { namespaces, environments } = entry.impact
  const words = `${entry.name} ${mark.overdue ? 'has ended' : 'ends'} ${(entry.expiresAt ?? '').slice(0, 10)}; reaches ${namespaces} namespaces of ${environments} environments`
  return (
    <g>
      <title>{words}</title>
      <rect x={at(mark.from)} y={middle - 4} width={Math.max(0, x - at(mark.from))} height={8} className="window" />
      {mark.overdue ? (
        // A cross and not only a colour: it is over.
        <path d={`M${x - 6} ${middle - 6}L${x + 6} ${middle + 6}M${x + 6} ${middle - 6}L${x - 6} ${middle + 6}`} className="mark-over" />
      ) : (
        <path d={`M${x} ${middle - 8}L${x + 7} ${middle}L${x} ${middle + 8}L${x - 7} ${middle}Z`} className={`mark ${mark.day <= 7 ? 'mark-near' : ''}`} />
      )}
    </g>
  )
}

function Twin({ entries }: { entries: Entry[] }) {
  return (
    <>
      <table className="plain">
        <thead>
          <tr>
            <th scope="col">What</th>
            <th scope="col">Registry</th>
            <th scope="col">Ends</th>
            <th scope="col">Days left</th>
            <th scope="col">Reaches</th>
          </tr>
        </thead>
        <tbody>
          {entries.slice(0, ROWS).map((one) => (
            <tr key={`${one.lane}/${one.name}`}>
              <td>
                {one.lane} {one.name}
              </td>
              <td>{one.registry ? <Go to={here('registries', one.registry)}>{one.registry}</Go> : ''}</td>
              <td>
                <When at={one.expiresAt} />
              </td>
              <td>{one.daysLeft === null ? 'no end' : one.daysLeft}</td>
              <td>
                {one.impact.namespaces} namespaces of {one.impact.environments} environments
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {entries.length > ROWS ? <p className="fresh">The first {ROWS} of {entries.length}.</p> : null}
    </>
  )
}
