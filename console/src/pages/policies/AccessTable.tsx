/** Which registries the policy grants, and where: choose, Add Access, and a table whose rows can be taken out again. */
import {
  ActionGroup,
  Button,
  FormGroup,
  FormHelperText,
  FormSelect,
  FormSelectOption,
  HelperText,
  HelperTextItem,
  Radio,
  TextInput,
} from '@patternfly/react-core'
import { useState } from 'react'

import type { Mode } from '../../api/documents'
import { Choose } from './Choose'
import { accessKey, added, labels, namespacesText, subjectsText, without, words, type Access, type PolicyType } from './draft'
import type { PolicyEffect } from './effect'
import { Removable, Said } from './Removable'

export interface AccessTableProps {
  type: PolicyType
  access: Access[]
  set: (access: Access[]) => void
  registries: string[]
  effect: PolicyEffect | undefined
}

const MODES: [Mode, string][] = [
  ['standing', 'standing: the credential is there as long as the access'],
  ['workload', 'workload: while a workload uses the registry'],
  ['lease', 'lease: only while somebody has to pull'],
  ['node', 'node: no secret, the node asks'],
  ['cluster-identity', 'cluster identity: the cluster signs in itself'],
]

type By = 'names' | 'labels' | 'all'

export function AccessTable({ type, access, set, registries, effect }: AccessTableProps) {
  const [registry, chooseRegistry] = useState('')
  const [by, chooseBy] = useState<By>('names')
  const [names, chooseNames] = useState<string[]>([])
  const [others, typeOthers] = useState('')
  const [pairs, typePairs] = useState('')
  const [teams, chooseTeams] = useState<string[]>([])
  const [users, chooseUsers] = useState<string[]>([])
  const [mode, chooseMode] = useState<Mode>('standing')
  const [wrong, tell] = useState('')
  const [said, say] = useState('')

  const place = (): Pick<Access, 'namespaces' | 'subjects'> | string => {
    if (type === 'docker') return teams.length || users.length ? { subjects: { teams, users } } : {}
    if (by === 'all') return { namespaces: { selector: {} } }
    if (by === 'labels') {
      const found = labels(pairs)
      return found && Object.keys(found).length ? { namespaces: { selector: { matchLabels: found } } } : 'Write labels as key=value, separated by commas.'
    }
    const all = [...new Set([...names, ...words(others)])]
    return all.length ? { namespaces: { names: all } } : 'Choose one or more namespaces.'
  }
  const add = () => {
    if (!registry) return tell('Select a registry.')
    const where = place()
    if (typeof where === 'string') return tell(where)
    tell('')
    set(added(access, { registry, ...where, ...(mode === 'standing' ? {} : { delivery: { mode } }) }, accessKey))
    say(`Added ${registry}`)
    chooseNames([])
    typeOthers('')
  }
  const kubernetes = type === 'kubernetes'
  // Rows move when one is taken out, and the answer is of before: what is said of another registry is none of this one.
  const grant = (index: number) =>
    effect?.grants.find((one) => one.field === `spec.access[${index}]` && one.registry === access[index]?.registry)

  return (
    <fieldset className="policy-part">
      <legend>Registry access</legend>
      <FormGroup label="Select registry" fieldId="access-registry">
        <FormSelect id="access-registry" value={registry} onChange={(_, chosen) => chooseRegistry(chosen)}>
          <FormSelectOption value="" label={registries.length ? 'Select a registry' : 'There is no registry that you may grant'} />
          {registries.map((one) => (
            <FormSelectOption key={one} value={one} label={one} />
          ))}
        </FormSelect>
      </FormGroup>
      {kubernetes ? (
        <FormGroup label="Namespaces" role="radiogroup" fieldId="access-by" isInline>
          <Radio id="access-by-names" name="access-by" label="By name" isChecked={by === 'names'} onChange={() => chooseBy('names')} />
          <Radio id="access-by-labels" name="access-by" label="By label, also those to come" isChecked={by === 'labels'} onChange={() => chooseBy('labels')} />
          <Radio id="access-by-all" name="access-by" label="All" isChecked={by === 'all'} onChange={() => chooseBy('all')} />
        </FormGroup>
      ) : null}
      {kubernetes && by === 'names' ? (
        <>
          <FormGroup label="Select namespaces" fieldId="access-namespaces">
            <Choose
              id="access-namespaces"
              what="Namespaces"
              options={(effect?.namespaces ?? []).map((one) => ({
                value: one.name,
                about: `in ${one.environments} ${one.environments === 1 ? 'environment' : 'environments'}`,
              }))}
              chosen={names}
              set={chooseNames}
              none="No environment of these groups has told its namespaces; write their names below"
            />
          </FormGroup>
          <FormGroup label="Other namespaces" fieldId="access-others">
            <TextInput
              id="access-others"
              value={others}
              onChange={(_, text) => typeOthers(text)}
              onKeyDown={(event) => {
                if (event.key !== 'Enter') return
                event.preventDefault()
                add()
              }}
            />
            <Help text="Names, separated by commas: for namespaces that are not there yet." />
          </FormGroup>
        </>
      ) : null}
      {kubernetes && by === 'labels' ? (
        <FormGroup label="Labels" fieldId="access-labels">
          <TextInput id="access-labels" value={pairs} onChange={(_, text) => typePairs(text)} placeholder="team=shop" />
          <Help text="key=value, separated by commas. Only label keys that the settings list may select." />
        </FormGroup>
      ) : null}
      {kubernetes ? null : (
        <>
          <FormGroup label="Teams" fieldId="access-teams">
            <Choose id="access-teams" what="Teams" options={options(effect?.subjects.teams)} chosen={teams} set={chooseTeams} none="No team holds a role in these groups" />
          </FormGroup>
          <FormGroup label="Users" fieldId="access-users">
            <Choose id="access-users" what="Users" options={options(effect?.subjects.users)} chosen={users} set={chooseUsers} none="No user holds a role in these groups" />
            <Help text="Without a team or a user, everybody with a role in an environment gets the registry there." />
          </FormGroup>
        </>
      )}
      <FormGroup label="Delivery" fieldId="access-mode">
        <FormSelect id="access-mode" value={mode} onChange={(_, chosen) => chooseMode(chosen as Mode)}>
          {MODES.map(([value, words_]) => (
            <FormSelectOption key={value} value={value} label={words_} />
          ))}
        </FormSelect>
      </FormGroup>
      <ActionGroup>
        <Button variant="secondary" onClick={add}>
          Add access
        </Button>
        <Said wrong={wrong} said={said} />
      </ActionGroup>
      <Removable
        caption="Registry access list"
        rows={access.map((one, index) => ({ ...one, index }))}
        id={accessKey}
        name={(one) => `${one.registry} for ${kubernetes ? namespacesText(one.namespaces) : subjectsText(one.subjects)}`}
        columns={[
          { title: 'Registry', cell: (one) => one.registry },
          { title: kubernetes ? 'Namespaces' : 'Teams and users', cell: (one) => (kubernetes ? namespacesText(one.namespaces) : subjectsText(one.subjects)) },
          { title: 'Delivery', cell: (one) => one.delivery?.mode ?? 'standing' },
          ...(kubernetes
            ? [{ title: 'Selects now', cell: (one: Access & { index: number }) => grant(one.index)?.namespaces.count ?? '…' }]
            : []),
          { title: 'Running images', cell: (one) => grant(one.index)?.matches ?? '…' },
        ]}
        remove={(gone) => set(without(access, gone, accessKey))}
        empty="Nothing is granted yet. Select a registry and where it may be used, then Add access."
      />
    </fieldset>
  )
}

function options(names: string[] | undefined) {
  return (names ?? []).map((value) => ({ value }))
}

function Help({ text }: { text: string }) {
  return (
    <FormHelperText>
      <HelperText>
        <HelperTextItem>{text}</HelperTextItem>
      </HelperText>
    </FormHelperText>
  )
}
