/**
 * Allowed sources: a prefix and where it counts. What a typed prefix means is shown while it is typed, with what only
 * looks like it. Rows that every policy has stand in the table, too, and cannot be taken out.
 */
import {
  ActionGroup,
  Alert,
  Button,
  FormGroup,
  FormHelperText,
  HelperText,
  HelperTextItem,
  Label,
  Radio,
  TextInput,
} from '@patternfly/react-core'
import { useEffect, useState } from 'react'

import { Choose } from './Choose'
import { added, scopeText, sourceKey, without, words, type PolicyType, type Scope, type Source } from './draft'
import type { PolicyEffect, PrefixShown, SourceRow } from './effect'
import { Removable, Said } from './Removable'

export interface SourcesTableProps {
  type: PolicyType
  sources: Source[]
  set: (sources: Source[]) => void
  /** The prefix that is being typed: the form asks about it. */
  typed: string
  type_: (text: string) => void
  /** What the server says of it, once it has. */
  shown: PrefixShown | undefined
  effect: PolicyEffect | undefined
  /** Why the server cannot be asked about a prefix just now; "" if it can. */
  cannot: string
  /** Paths of the rows that the matcher points at, and prefixes of those that no document holds. */
  marked: ReadonlySet<string>
  /** Put in what runs, from the inventory of the chosen groups. */
  fill: (which: 'system' | 'all') => void
}

interface Shown extends Source {
  field: string
  matches: number | undefined
  own: boolean
}

export function SourcesTable(props: SourcesTableProps) {
  const { type, sources, set, typed, type_, shown, effect, cannot, marked } = props
  const [everywhere, choose] = useState(true)
  const [names, chooseNames] = useState<string[]>([])
  const [others, typeOthers] = useState('')
  const [note, typeNote] = useState('')
  const [wrong, tell] = useState('')
  const [waiting, wait] = useState(false)
  const [said, say] = useState('')

  const scope = (): Scope | null => {
    if (everywhere) return 'Global'
    const all = [...new Set([...names, ...words(others)])]
    return all.length ? { namespaces: all } : null
  }
  const add = () => {
    if (!typed.trim()) return tell('Enter a host, with a path if you like.')
    if (!scope()) return tell('Choose one or more namespaces, or Global.')
    tell('')
    wait(true)
  }
  // Added is what the server reads of it, so the row says what counts; hence not before it has answered.
  useEffect(() => {
    if (!waiting) return
    if (cannot) {
      wait(false)
      tell(cannot)
    }
    if (!shown || shown.text !== typed.trim()) return
    wait(false)
    const where = scope()
    if (shown.problem || !shown.canonical || !where) return
    const row: Source = { prefix: shown.canonical, scope: where, ...(note.trim() ? { note: note.trim() } : {}) }
    set(added(sources, row, sourceKey))
    say(`Added ${shown.canonical}`)
    type_('')
    typeNote('')
  }, [waiting, shown, typed, cannot])

  const rowOf = (index: number): SourceRow | undefined => effect?.sources.find((one) => one.field === `spec.restrict.allowedSources[${index}]`)
  const rows: Shown[] = [
    ...sources.map((one, index) => ({
      ...one,
      field: `spec.restrict.allowedSources[${index}]`,
      // Rows move when one is taken out, and the answer is of before: a count of another prefix is none.
      matches: rowOf(index)?.prefix === one.prefix ? rowOf(index)?.matches : undefined,
      own: false,
    })),
    ...(effect?.sources ?? [])
      .filter((one) => !one.removable)
      .map((one) => ({
        prefix: one.prefix,
        scope: one.namespaces ? { namespaces: one.namespaces } : ('Global' as const),
        note: one.note,
        field: '',
        matches: one.matches,
        own: true,
      })),
  ]

  return (
    <div className="policy-sources">
      <FormGroup label="Registry URL prefix" fieldId="source-prefix">
        <TextInput
          id="source-prefix"
          value={typed}
          placeholder="registry.example.com/team"
          validated={shown?.problem && typed ? 'error' : 'default'}
          onChange={(_, text) => {
            type_(text)
            tell('')
          }}
          onKeyDown={(event) => {
            if (event.key !== 'Enter') return
            event.preventDefault()
            add()
          }}
          aria-describedby="source-prefix-help"
        />
        <FormHelperText>
          <HelperText id="source-prefix-help">
            <HelperTextItem>The host of a registry, and a path if you like. It covers that path and all below it, whole segments only.</HelperTextItem>
          </HelperText>
        </FormHelperText>
        {typed && shown ? <PrefixMeaning shown={shown} /> : null}
      </FormGroup>
      {type === 'kubernetes' ? (
        <FormGroup label="Scope" role="radiogroup" fieldId="source-scope" isInline>
          <Radio id="source-global" name="source-scope" label="Global" isChecked={everywhere} onChange={() => choose(true)} />
          <Radio id="source-named" name="source-scope" label="Specific namespaces" isChecked={!everywhere} onChange={() => choose(false)} />
        </FormGroup>
      ) : null}
      {everywhere ? null : (
        <>
          <FormGroup label="Allowed in" fieldId="source-namespaces">
            <Choose
              id="source-namespaces"
              what="Namespaces"
              options={(effect?.namespaces ?? []).map((one) => ({ value: one.name }))}
              chosen={names}
              set={chooseNames}
              none="No environment of these groups has told its namespaces; write their names below"
            />
          </FormGroup>
          <FormGroup label="Allowed in other namespaces" fieldId="source-others">
            <TextInput id="source-others" value={others} onChange={(_, text) => typeOthers(text)} placeholder="shop, shop-jobs" />
          </FormGroup>
        </>
      )}
      <FormGroup label="Note" fieldId="source-note">
        <TextInput id="source-note" value={note} onChange={(_, text) => typeNote(text)} placeholder="why it is there" />
      </FormGroup>
      <ActionGroup>
        <Button variant="secondary" onClick={add} isLoading={waiting} spinnerAriaValueText="Reading the prefix">
          Add source
        </Button>
        <Button variant="link" onClick={() => props.fill('all')}>
          Add what runs now
        </Button>
        <Said wrong={wrong} said={said} />
      </ActionGroup>
      <Removable
        caption="Allowed sources"
        rows={rows}
        id={(row) => `${row.own ? 'own' : ''}${sourceKey(row)}`}
        name={(row) => `${row.prefix}, ${scopeText(row.scope)}`}
        columns={[
          { title: 'Prefix', cell: (row) => <code>{row.prefix}</code> },
          { title: 'Scope', cell: (row) => scopeText(row.scope) },
          { title: 'Why', cell: (row) => (row.own ? <OwnNote note={row.note} /> : row.note) },
          { title: 'Matches', cell: (row) => row.matches ?? '…' },
        ]}
        kept={(row) => (row.own ? 'Part of every policy: it cannot be removed' : undefined)}
        marked={(row) => marked.has(row.field || row.prefix)}
        idle={(row) => row.matches === 0}
        remove={(gone) => set(without(sources, gone, sourceKey))}
        empty="Nothing is listed: only granted registries and what a cluster needs are allowed."
      />
    </div>
  )
}

function OwnNote({ note }: { note: string | undefined }) {
  return (
    <>
      {note}{' '}
      <Label isCompact variant="outline">
        part of every policy
      </Label>
    </>
  )
}

/** What a prefix covers and, of what looks like it, what not; or why it is none. */
export function PrefixMeaning({ shown }: { shown: PrefixShown }) {
  if (shown.problem) {
    return (
      <Alert variant="danger" isInline isPlain title={shown.problem.message} aria-live="polite">
        {shown.problem.hint}
      </Alert>
    )
  }
  return (
    <div className="prefix-meaning" role="status">
      <p>
        Covers <Texts texts={shown.covers} />. Does not cover <Texts texts={shown.coversNot} />.
      </p>
      {shown.public ? (
        <Alert variant="warning" isInline isPlain title="This approves public content">
          Anybody can publish there. It is refused in staging and production unless an exemption allows it: approve a mirror, or your own path on that
          host.
        </Alert>
      ) : null}
    </div>
  )
}

function Texts({ texts }: { texts: string[] }) {
  return texts.map((one, index) => (
    <span key={one}>
      {index ? ', ' : ''}
      <code>{one}</code>
    </span>
  ))
}
