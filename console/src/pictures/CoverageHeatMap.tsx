/** Namespaces by layers of defence: how much of what runs each layer has judged. Blank and hatched is unknown. */
import { useId } from 'react'

import { withQuery } from '../api/client'
import { Go } from '../parts/Go'
import { covered, LAYERS, step, type Cell, type Covered } from './coverage'
import { Fills } from './fills'
import type { Square } from './fleet-map'
import { Picture } from './Picture'

/** Rows that are drawn: those that are covered least. */
const ROWS = 60
const ROW = 20
const NAME = 360
const COLUMN = 150
const HEAD = 26
const WIDTH = NAME + COLUMN * LAYERS.length + 10

export function CoverageHeatMap({ squares }: { squares: Square[] }) {
  const id = useId()
  const every = covered(squares)
  const rows = every.slice(0, ROWS)
  if (!rows.length) return <p className="fresh">Nothing runs that anybody has told of: there is nothing to cover.</p>
  const whole = every.filter((one) => one.cells[0]?.share === 1).length
  const unknown = every.filter((one) => one.cells[0]?.share === null).length
  return (
    <Picture
      title="Coverage"
      says={`a policy judges everything that runs in ${whole} of ${every.length} namespaces${unknown ? `, and of ${unknown} it is not known` : ''}${every.length > rows.length ? `; the ${rows.length} that are covered least are drawn` : ''}`}
      width={WIDTH}
      height={HEAD + rows.length * ROW + 6}
      file="coverage"
      legend={
        <p className="fresh">
          The number in each cell says how much. Hatched is unknown: signatures, scans and SBOMs are not measured yet.
        </p>
      }
      table={<Twin rows={rows} />}
    >
      <Fills id={id} />
      {LAYERS.map((layer, index) => (
        <text key={layer.name} x={NAME + index * COLUMN + COLUMN / 2} y={17} textAnchor="middle" className="axis-text">
          {layer.title}
        </text>
      ))}
      {rows.map((one, number) => (
        <g key={`${one.environment}/${one.namespace}`}>
          <text x={NAME - 8} y={HEAD + number * ROW + 14} textAnchor="end" className="axis-text">
            {shortened(`${one.environment} / ${one.namespace}`)}
          </text>
          {one.cells.map((cell, index) => (
            <Square
              key={LAYERS[index]?.name}
              cell={cell}
              x={NAME + index * COLUMN}
              y={HEAD + number * ROW}
              id={id}
              words={`${one.environment} / ${one.namespace}, ${LAYERS[index]?.title}: ${cell.words}`}
            />
          ))}
        </g>
      ))}
    </Picture>
  )
}

function shortened(name: string): string {
  return name.length <= 56 ? name : `${name.slice(0, 55)}…`
}

function Square({ cell, x, y, id, words }: { cell: Cell; x: number; y: number; id: string; words: string }) {
  const box = { x: x + 1, y: y + 1, width: COLUMN - 2, height: ROW - 2 }
  if (cell.share === null) {
    return (
      <rect {...box} className="square" fill={`url(#${id}-unknown)`}>
        <title>{words}</title>
      </rect>
    )
  }
  return (
    <g>
      <title>{words}</title>
      <rect {...box} className={`square heat-${step(cell.share)}`} />
      <text x={x + COLUMN / 2} y={y + 14} textAnchor="middle" className="square-name">
        {Math.floor(cell.share * 100)}%
      </text>
    </g>
  )
}

function Twin({ rows }: { rows: Covered[] }) {
  return (
    <table className="plain">
      <thead>
        <tr>
          <th scope="col">Namespace</th>
          <th scope="col">Images</th>
          {LAYERS.map((layer) => (
            <th scope="col" key={layer.name}>
              {layer.title}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map((one) => (
          <tr key={`${one.environment}/${one.namespace}`}>
            <th scope="row">
              <Go to={withQuery('/images', { environment: one.environment, namespace: one.namespace })}>
                {one.environment} / {one.namespace}
              </Go>
            </th>
            <td>{one.images}</td>
            {one.cells.map((cell, index) => (
              <td key={LAYERS[index]?.name}>{cell.share === null ? 'unknown' : cell.words}</td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  )
}
