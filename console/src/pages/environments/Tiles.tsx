/** One of a few things, each with a sentence: a fieldset of radio tiles. */
import './tiles.css'

import { useId } from 'react'

export interface TilesProps {
  legend: string
  value: string
  set: (value: string) => void
  tiles: { key: string; title: string; about: string }[]
}

export function Tiles({ legend, value, set, tiles }: TilesProps) {
  const name = useId()
  return (
    <fieldset className="radio-tiles">
      <legend>{legend}</legend>
      {tiles.map((one) => (
        <label key={one.key}>
          <input type="radio" name={name} value={one.key} checked={value === one.key} onChange={() => set(one.key)} aria-describedby={`${name}-${one.key}`} />
          <span>
            <strong>{one.title}</strong>
            <span id={`${name}-${one.key}`} className="fresh">
              {one.about}
            </span>
          </span>
        </label>
      ))}
    </fieldset>
  )
}
