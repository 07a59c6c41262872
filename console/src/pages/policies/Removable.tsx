/** A small table of what a form holds: boxes, and Remove at its top right. At most 200 rows are shown at once. */
import { Button, HelperText, HelperTextItem, SearchInput } from '@patternfly/react-core'
import { useState, type ReactNode } from 'react'


export interface RemovableProps<Row> {
  caption: string
  rows: Row[]
  id: (row: Row) => string
  /** What a row is called by screen readers. */
  name: (row: Row) => string
  columns: { title: string; cell: (row: Row) => ReactNode }[]
  remove: (gone: ReadonlySet<string>) => void
  /** Why a row cannot be taken out; undefined if it can. */
  kept?: (row: Row) => string | undefined
  /** Rows that something points at just now. */
  marked?: (row: Row) => boolean
  /** Rows that do nothing. */
  idle?: (row: Row) => boolean
  empty: ReactNode
}

const MOST_SHOWN = 200
const FEW = 20

/** The rows that a text narrows them to, and its field where there are more than a few. */
export function useNarrowed<Row>(rows: Row[], caption: string, text: (row: Row) => string): [Row[], ReactNode] {
  const [wanted, type] = useState('')
  if (rows.length <= FEW) return [rows, null]
  const label = `Narrow ${caption}`
  const field = <SearchInput aria-label={label} placeholder={label} value={wanted} onChange={(_, typed) => type(typed)} onClear={() => type('')} />
  return [rows.filter((row) => text(row).toLowerCase().includes(wanted.toLowerCase())), field]
}

export function Removable<Row>({ caption, rows, id, name, columns, remove, kept, marked, idle, empty }: RemovableProps<Row>) {
  const [picked, pick] = useState<ReadonlySet<string>>(new Set())
  const [said, say] = useState('')
  const [narrowed, field] = useNarrowed(rows, caption, name)
  const chosen = rows.filter((row) => picked.has(id(row)) && !kept?.(row))
  const toggle = (key: string) => {
    const next = new Set(picked)
    if (!next.delete(key)) next.add(key)
    pick(next)
  }
  const takeOut = () => {
    remove(new Set(chosen.map(id)))
    pick(new Set())
    say(`Removed ${chosen.map(name).join('; ')}`)
  }
  return (
    <section className="removable" aria-label={caption}>
      <div className="removable-head">
        <h3>{caption}</h3>
        <span role="status" className="fresh">
          {said}
        </span>
        <Button variant="secondary" isDanger isDisabled={!chosen.length} onClick={takeOut}>
          Remove{chosen.length ? ` ${chosen.length}` : ''}
        </Button>
      </div>
      {field}
      {rows.length ? (
        <div className="scrolled" tabIndex={0} role="region" aria-label={`${caption}, table`}>
          <table className="plain" aria-label={caption}>
            <thead>
              <tr>
                <th scope="col">
                  <span className="off-screen">Select</span>
                </th>
                {columns.map((one) => (
                  <th key={one.title} scope="col">
                    {one.title}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {narrowed.slice(0, MOST_SHOWN).map((row) => {
                const key = id(row)
                const why = kept?.(row)
                return (
                  <tr key={key} className={[marked?.(row) ? 'marked' : '', idle?.(row) ? 'idle' : ''].join(' ').trim()} aria-current={marked?.(row) || undefined}>
                    <td>
                      {why ? (
                        <span className="off-screen">{why}</span>
                      ) : (
                        <input type="checkbox" aria-label={`Select ${name(row)}`} checked={picked.has(key)} onChange={() => toggle(key)} />
                      )}
                    </td>
                    {columns.map((one) => (
                      <td key={one.title}>{one.cell(row)}</td>
                    ))}
                  </tr>
                )
              })}
            </tbody>
          </table>
        </div>
      ) : (
        <p className="fresh">{empty}</p>
      )}
      {narrowed.length > MOST_SHOWN ? <p className="fresh">and {narrowed.length - MOST_SHOWN} more: narrow the list</p> : null}
    </section>
  )
}

/** What came of a button beside it: what is wrong, or what was done. */
export function Said({ wrong, said }: { wrong: string; said: string }) {
  return (
    <div role="status">
      {wrong || said ? (
        <HelperText>
          <HelperTextItem variant={wrong ? 'error' : 'default'}>{wrong || said}</HelperTextItem>
        </HelperText>
      ) : null}
    </div>
  )
}
