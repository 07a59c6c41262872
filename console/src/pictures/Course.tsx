/** A number over time as a line, with the same as a table: for one that can only be between nothing and a most. */
export interface CourseProps {
  title: string
  /** What a value is: "pulls left". */
  unit: string
  most: number
  points: { at: string; value: number }[]
}

const WIDTH = 640
const HEIGHT = 160
const LEFT = 48
const BOTTOM = 24
/** Rows of the table: more would be read by nobody. */
const ROWS = 50

/** Where the points lie. One alone lies at the right edge, as the latest does. */
export function placed(points: CourseProps['points'], most: number): { x: number; y: number }[] {
  const times = points.map((one) => Date.parse(one.at))
  const first = Math.min(...times)
  const span = Math.max(...times) - first
  return points.map((one, index) => ({
    x: LEFT + (span ? ((times[index] ?? first) - first) / span : 1) * (WIDTH - LEFT - 8),
    y: 8 + (1 - Math.min(1, Math.max(0, most ? one.value / most : 0))) * (HEIGHT - BOTTOM - 8),
  }))
}

export function Course({ title, unit, most, points }: CourseProps) {
  if (!points.length) return <p className="fresh">no data</p>
  const at = placed(points, most)
  const first = points[0]?.at ?? ''
  const last = points[points.length - 1]?.at ?? ''
  return (
    <figure className="picture">
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={`${title}: ${points.length} readings from ${first} to ${last}`}>
        <line className="axis-line" x1={LEFT} y1={HEIGHT - BOTTOM} x2={WIDTH - 8} y2={HEIGHT - BOTTOM} />
        <line className="axis-line" x1={LEFT} y1={8} x2={LEFT} y2={HEIGHT - BOTTOM} />
        <text className="axis-text" x={LEFT - 6} y={14} textAnchor="end">
          {most}
        </text>
        <text className="axis-text" x={LEFT - 6} y={HEIGHT - BOTTOM} textAnchor="end">
          0
        </text>
        <text className="axis-text" x={LEFT} y={HEIGHT - 6}>
          {first.slice(0, 16).replace('T', ' ')}
        </text>
        <text className="axis-text" x={WIDTH - 8} y={HEIGHT - 6} textAnchor="end">
          {last.slice(0, 16).replace('T', ' ')}
        </text>
        <polyline className="course" points={at.map(({ x, y }) => `${x.toFixed(1)},${y.toFixed(1)}`).join(' ')} />
        {at.slice(-1).map(({ x, y }) => (
          <circle key="last" className="course-end" cx={x} cy={y} r="4" />
        ))}
      </svg>
      <figcaption>{title}</figcaption>
      <details>
        <summary>As a table</summary>
        <table className="plain">
          <thead>
            <tr>
              <th scope="col">When</th>
              <th scope="col">{unit}</th>
            </tr>
          </thead>
          <tbody>
            {points
              .slice(-ROWS)
              .reverse()
              .map((one) => (
                <tr key={one.at}>
                  <td>
                    <time dateTime={one.at}>{one.at}</time>
                  </td>
                  <td>{one.value}</td>
                </tr>
              ))}
          </tbody>
        </table>
      </details>
    </figure>
  )
}
