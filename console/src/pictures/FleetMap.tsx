/** The fleet as nested squares: group, environment, namespace; as large as what runs there, filled by the worst verdict. */
import { useId, useMemo } from 'react'

import { withQuery } from '../api/client'
import { Go, useGo } from '../parts/Go'
import { address } from '../api/place'
import { Verdict } from '../parts/State'
import { Fills, fillOf, Legend, WORDS } from './fills'
import { fitting, headed, listOf, placed, type Drawn, type Rest, type Square } from './fleet-map'
import { Picture } from './Picture'

const WIDTH = 1000
const HEIGHT = 560
/** Rows of the table: what the picture shows beyond them is in the list of images. */
const ROWS = 200

export interface FleetMapProps {
  squares: Square[]
  rest: Rest[]
}

const counted = (number: number, noun: string) => `${number.toLocaleString('en')} ${noun}${number === 1 ? '' : 's'}`

function words(one: Drawn): string {
  const place = one.namespace || `${counted(one.namespaces, 'more namespace')}`
  return `${one.environment} / ${place}: ${counted(one.images, 'running image')}, worst ${WORDS[one.word].toLowerCase()}${one.stale ? ', told a while ago' : ''}`
}

export function FleetMap({ squares, rest }: FleetMapProps) {
  const id = useId()
  const go = useGo()
  const found = useMemo(() => placed(squares, rest, { x: 0, y: 0, width: WIDTH, height: HEIGHT }), [squares, rest])
  const total = found.groups.reduce((sum, one) => sum + one.images, 0)
  if (!total) return <p className="fresh">Nothing runs that anybody has told of: there is nothing to draw.</p>
  return (
    <Picture
      title="Fleet map"
      says={`${counted(total, 'running image')} in ${counted(found.environments.length, 'environment')}; as large as what runs there, filled by the worst verdict`}
      width={WIDTH}
      height={HEIGHT}
      file="fleet-map"
      legend={<Legend id={id} stale />}
      table={<Twin squares={squares} rest={rest} />}
    >
      <Fills id={id} />
      {found.squares.map((one) => {
        const to = withQuery('/images', listOf(one))
        const label = fitting(one.namespace || `+ ${one.namespaces}`, one.box.width)
        return (
          // Reached by keyboard in the table: four hundred steps would be no help to anybody.
          <a
            key={`${one.environment}/${one.namespace}`}
            href={address(to)}
            tabIndex={-1}
            {...(label && one.box.height > 16 ? {} : { 'aria-label': words(one) })}
            onClick={(event) => {
              if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
              event.preventDefault()
              go(to)
            }}
          >
            <rect {...one.box} className="square" fill={fillOf(one.word, id)}>
              <title>{words(one)}</title>
            </rect>
            {one.stale ? <rect {...one.box} fill={`url(#${id}-stale)`} className="over" /> : null}
            {label && one.box.height > 16 ? (
              <>
                <rect x={one.box.x + 2} y={one.box.y + 2} width={label.length * 6.2 + 6} height={15} className="fill-paper over" />
                <text x={one.box.x + 4} y={one.box.y + 13} className="square-name">
                  {label}
                </text>
              </>
            ) : null}
          </a>
        )
      })}
      {found.environments.map(({ name, group, box }) => (
        <g key={`${group}/${name}`}>
          <rect {...box} className="frame-environment" />
          {headed(box, 14) ? (
            <text x={box.x + 4} y={box.y + 12} className="frame-name">
              {fitting(name, box.width)}
            </text>
          ) : null}
        </g>
      ))}
      {found.groups.map(({ name, box }) => (
        <g key={name}>
          <rect {...box} className="frame-group" />
          {headed(box, 18) ? (
            <text x={box.x + 6} y={box.y + 15} className="frame-name frame-group-name">
              {fitting(name || 'a group that you may not see', box.width)}
            </text>
          ) : null}
        </g>
      ))}
    </Picture>
  )
}

function Twin({ squares, rest }: FleetMapProps) {
  const rows = [...squares].sort((one, other) => (other.images ?? 0) - (one.images ?? 0))
  const more = rows.length > ROWS || rest.length > 0
  return (
    <>
      <table className="plain">
        <thead>
          <tr>
            <th scope="col">Group</th>
            <th scope="col">Environment</th>
            <th scope="col">Namespace</th>
            <th scope="col">Images</th>
            <th scope="col">Worst verdict</th>
            <th scope="col">Allowed</th>
            <th scope="col">Denied</th>
            <th scope="col">Unknown</th>
            <th scope="col">No policy</th>
          </tr>
        </thead>
        <tbody>
          {rows.slice(0, ROWS).map((one) => (
            <tr key={`${one.environment}/${one.namespace}`}>
              <td>{one.group}</td>
              <td>{one.environment}</td>
              <td>
                <Go to={withQuery('/images', listOf(one))}>{one.namespace || '(none)'}</Go>
              </td>
              <td>{one.images}</td>
              <td>
                <Verdict verdict={one.worst === 'NOT_JUDGED' ? null : one.worst} />
                {one.stale ? ' told a while ago' : ''}
              </td>
              <td>{one.verdicts?.ALLOW}</td>
              <td>{one.verdicts?.DENY}</td>
              <td>{one.verdicts?.UNKNOWN}</td>
              <td>{one.verdicts?.NOT_JUDGED}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {more ? (
        <p className="fresh">
          The largest {Math.min(rows.length, ROWS)} namespaces. <Go to="/images">Every image is in the list.</Go>
        </p>
      ) : null}
    </>
  )
}
