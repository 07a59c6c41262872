/** One of a few things, each with a sentence of what follows: a fieldset of radio tiles. */
import { useId } from 'react'

export interface TilesProps {
  legend: string
  value: string
  set: (value: string) => void
  /** `word` is what the thing is called in documents and commands. */
  tiles: { key: string; title: string; about: string; word?: string }[]
}

export function Tiles({ legend, value, set, tiles }: TilesProps) {
  const name = useId()
  return (
    <fieldset className="tiles">
      <legend>{legend}</legend>
      {tiles.map((one) => (
        <label key={one.key} className={one.key === value ? 'tile chosen' : 'tile'}>
          <input type="radio" name={name} value={one.key} checked={one.key === value} onChange={() => set(one.key)} />
          <span>
            <strong>{one.title}</strong> {one.word ? <code>{one.word}</code> : null}
            <span className="fresh">{one.about}</span>
          </span>
        </label>
      ))}
    </fieldset>
  )
}
