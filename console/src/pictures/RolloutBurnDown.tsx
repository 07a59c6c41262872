/** What a policy would have denied on each day, with its changes as markers, and since when it is safe to enforce. */
import { useId } from 'react'

import type { operations } from '../api/schema'
import { bars, marked, most, placeOf, type BurnMarker, type BurnPoint } from './burn-down'
import { Fills } from './fills'
import { Picture } from './Picture'

const WIDTH = 1000
const HEIGHT = 240
const FRAME = { left: 60, top: 40, width: WIDTH - 80, height: HEIGHT - 80 }

/** As GET /api/v1/policies/N/burn-down answers it. */
export type BurnDown = operations['read_burn_down']['responses']['200']['content']['application/json']

export function RolloutBurnDown({ shown }: { shown: BurnDown }) {
  const id = useId()
  const { points, markers } = shown
  const known = points.filter((one) => one.violations !== null)
  if (!known.length) {
    return <p className="fresh">Nothing is known of these days yet: a policy at audit is watched from its first look on.</p>
  }
  const drawn = bars(points, FRAME)
  const top = most(points)
  const bottom = FRAME.top + FRAME.height
  const safe = shown.safeSince ? placeOf(shown.safeSince.slice(0, 10), points, FRAME) : null
  return (
    <Picture
      title="Violations a day"
      says={says(shown)}
      width={WIDTH}
      height={HEIGHT}
      file={`burn-down-${shown.policy}`}
      legend={
        <p className="fresh">
          A bar is the most that would have been denied on that day. Hatched: of some environments, or of all, nobody knows.
          {shown.hiddenEnvironments ? ` ${shown.hiddenEnvironments} environments are not counted: you may not see all that runs there.` : ''}
        </p>
      }
      table={<Twin points={points} markers={markers} />}
    >
      <Fills id={id} />
      <line className="axis-line" x1={FRAME.left} x2={FRAME.left + FRAME.width} y1={bottom} y2={bottom} />
      <text className="axis-text" x={FRAME.left - 8} y={FRAME.top + 8} textAnchor="end">
        {top}
      </text>
      <text className="axis-text" x={FRAME.left - 8} y={bottom} textAnchor="end">
        0
      </text>
      {drawn.map((bar) => (
        <g key={bar.point.day}>
          <title>{`${bar.point.day}: ${bar.point.violations ?? 'unknown'}${bar.point.unknown ? `, ${bar.point.unknown} environments unknown` : ''}`}</title>
          {bar.sort === 'known' ? null : (
            <rect x={bar.x + 1} width={Math.max(0, bar.width - 2)} y={FRAME.top} height={FRAME.height} fill={`url(#${id}-unknown)`} className="faint" />
          )}
          {bar.sort === 'unknown' ? null : (
            <rect x={bar.x + 1} width={Math.max(0, bar.width - 2)} y={bar.y} height={bar.height} className="burn-bar" />
          )}
        </g>
      ))}
      {markers.map((one, index) => {
        const x = placeOf(one.day, points, FRAME)
        return x === null ? null : (
          <g key={`${one.day}/${one.what}`}>
            <title>{`${one.day}, ${marked(one)}`}</title>
            <line x1={x} x2={x} y1={FRAME.top - 8} y2={bottom} className="marker" />
            <text x={x + 3} y={index % 2 ? 14 : 28} className="axis-text" textAnchor={x > WIDTH - 160 ? 'end' : 'start'}>
              {marked(one)}
            </text>
          </g>
        )
      })}
      {safe === null ? null : (
        <g>
          <line x1={safe} x2={safe} y1={FRAME.top} y2={bottom} className="safe" />
          <text x={safe + 3} y={FRAME.top + 12} className="axis-text" textAnchor={safe > WIDTH - 160 ? 'end' : 'start'}>
            safe to enforce
          </text>
        </g>
      )}
      {[points[0], points[points.length - 1]].map((one, index) =>
        one ? (
          <text key={index} className="axis-text" x={index ? FRAME.left + FRAME.width : FRAME.left} y={bottom + 18} textAnchor={index ? 'end' : 'start'}>
            {one.day}
          </text>
        ) : null,
      )}
    </Picture>
  )
}

/** What it comes to, in a sentence. */
export function says(shown: Pick<BurnDown, 'safeSince' | 'safeFrom' | 'quietSince' | 'stage'>): string {
  if (shown.safeSince) return `safe to enforce since ${shown.safeSince.slice(0, 10)}: nothing would have been denied for a week before`
  if (shown.safeFrom) return `nothing would be denied since ${(shown.quietSince ?? '').slice(0, 10)}; safe to enforce from ${shown.safeFrom.slice(0, 10)} on, if it stays so`
  return 'not safe to enforce yet: something would be denied, or an environment is unknown'
}

function Twin({ points, markers }: { points: BurnPoint[]; markers: BurnMarker[] }) {
  return (
    <table className="plain">
      <thead>
        <tr>
          <th scope="col">Day (UTC)</th>
          <th scope="col">Would be denied</th>
          <th scope="col">Environments known</th>
          <th scope="col">Environments unknown</th>
          <th scope="col">Policy</th>
        </tr>
      </thead>
      <tbody>
        {[...points].reverse().map((one) => (
          <tr key={one.day}>
            <td>{one.day}</td>
            <td>{one.violations ?? 'unknown'}</td>
            <td>{one.known}</td>
            <td>{one.unknown}</td>
            <td>{markers.filter((marker) => marker.day === one.day).map(marked).join('; ')}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}
