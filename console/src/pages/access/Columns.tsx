/** Which registries stand in columns; it is in the address. */
import { SearchInput } from '@patternfly/react-core'
import { useState } from 'react'

import { MOST_COLUMNS, type Matrix } from './matrix'

const MOST_SHOWN = 100

export function Columns(props: { all: Matrix['registries']; shown: string[]; set: (names: string[]) => void }) {
  const [text, find] = useState('')
  const matching = props.all.filter((one) => one.name.includes(text) || one.prefix.includes(text) || one.title.includes(text))
  return (
    <details className="access-choice">
      <summary>
        Columns: {props.shown.length} of {props.all.length} registries
        {props.shown.length === MOST_COLUMNS ? ', those that most is to be said of' : ''}
      </summary>
      <SearchInput aria-label="Find a registry" placeholder="Find a registry" value={text} onChange={(_, typed) => find(typed)} onClear={() => find('')} />
      <fieldset>
        <legend className="off-screen">Registries in columns</legend>
        {matching.slice(0, MOST_SHOWN).map((one) => (
          <label key={one.name}>
            <input
              type="checkbox"
              checked={props.shown.includes(one.name)}
              onChange={() =>
                props.set(props.shown.includes(one.name) ? props.shown.filter((name) => name !== one.name) : [...props.shown, one.name])
              }
            />{' '}
            {one.name} <span className="fresh">{one.prefix}</span>
          </label>
        ))}
      </fieldset>
      {matching.length > MOST_SHOWN ? <p>and {matching.length - MOST_SHOWN} more: find them by name</p> : null}
    </details>
  )
}
