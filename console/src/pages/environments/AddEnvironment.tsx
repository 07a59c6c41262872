/** A new environment: what it is, the plan, and then its page with the command that enrols its agent. */
import { Button, Form, FormGroup, FormSelect, FormSelectOption, Modal, ModalBody, ModalFooter, ModalHeader, TextInput } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { useState, type FormEvent } from 'react'

import { send } from '../../api/client'
import { fresh, type Document, type List, type Tier } from '../../api/documents'
import { ConfirmChange } from '../../parts/ConfirmChange'
import { here, useGo } from '../../parts/Go'
import type { Change } from '../../parts/InCode'
import { Tiles } from '../../parts/Tiles'
import { TIER_WORDS, TIERS, TYPES, type EnvironmentSpec } from './environment'

export const LABEL = '[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?'

interface Group {
  type?: string
  title?: string
}

/** Groups of this type: an environment can be in no other. */
export function useGroups(type: string) {
  const { data } = useQuery({
    queryKey: ['list', '/api/v1/groups', 'all'],
    queryFn: () => send<List<Document<Group, { coveredBy?: string }>>>('/api/v1/groups', { query: { limit: '500' } }),
  })
  return (data?.items ?? []).filter((one) => (one.spec.type ?? 'kubernetes') === type)
}

export function AddEnvironment({ onClose, group: given = '' }: { onClose: () => void; group?: string }) {
  const [name, setName] = useState('')
  const [title, setTitle] = useState('')
  const [type, setType] = useState<NonNullable<EnvironmentSpec['type']>>('kubernetes')
  const [tier, setTier] = useState<Tier>('development')
  const [group, setGroup] = useState(given)
  const [another, setAnother] = useState('')
  const [change, make] = useState<Change | null>(null)
  const groups = useGroups(type)
  const go = useGo()
  const named = group || another
  const ready = Boolean(name && named)

  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (!ready) return
    const spec: EnvironmentSpec = { type, tier, group: named, ...(title ? { title } : {}) }
    const isNew = !groups.some((one) => one.metadata.name === named)
    make({ documents: [...(isNew ? [fresh('EnvironmentGroup', named, { type })] : []), fresh('Environment', name, spec)] })
  }
  if (change) {
    return (
      <ConfirmChange
        title={`Add the environment ${name}`}
        change={change}
        verb="Add"
        done={`Added ${name}`}
        onDone={() => go(`${here('environments', name)}?tab=agent`)}
        onClose={onClose}
      />
    )
  }
  return (
    <Modal isOpen onClose={onClose} variant="medium" aria-label="Add an environment">
      <ModalHeader title="Add an environment" description="First what it is. Then you get one command that enrols its agent." />
      <ModalBody>
        <Form id="add-environment" onSubmit={submit}>
          <FormGroup label="Name" fieldId="environment-name" isRequired>
            <TextInput id="environment-name" value={name} onChange={(_, text) => setName(text)} isRequired pattern={LABEL} maxLength={63} autoComplete="off" />
            <p className="fresh">Lower-case letters, digits and dashes. It never changes; the title does.</p>
          </FormGroup>
          <FormGroup label="Title" fieldId="environment-title">
            <TextInput id="environment-title" value={title} onChange={(_, text) => setTitle(text)} autoComplete="off" />
          </FormGroup>
          <Tiles legend="Type" value={type} set={(one) => setType(one as typeof type)} tiles={TYPES.map(([key, words]) => ({ key, title: words, about: TYPE_ABOUT[key] ?? '' }))} />
          <Tiles legend="Tier" value={tier} set={(one) => setTier(one as Tier)} tiles={TIERS.map((key) => ({ key, title: key, about: TIER_WORDS[key] }))} />
          <FormGroup label="Group" fieldId="environment-group" isRequired>
            <FormSelect id="environment-group" value={group} onChange={(_, one) => setGroup(one)}>
              <FormSelectOption value="" label="A new group" />
              {groups.map((one) => (
                <FormSelectOption
                  key={one.metadata.name}
                  value={one.metadata.name}
                  label={`${one.metadata.name}${one.status?.coveredBy ? `: policy ${one.status.coveredBy} counts in it` : ': no policy'}`}
                />
              ))}
            </FormSelect>
          </FormGroup>
          {group ? null : (
            <FormGroup label="Name of the new group" fieldId="environment-new-group" isRequired>
              <TextInput id="environment-new-group" value={another} onChange={(_, text) => setAnother(text)} pattern={LABEL} maxLength={63} autoComplete="off" />
            </FormGroup>
          )}
        </Form>
      </ModalBody>
      <ModalFooter>
        <Button type="submit" form="add-environment" variant="primary" isDisabled={!ready}>
          Look at the plan
        </Button>
        <Button variant="link" onClick={onClose}>
          Cancel
        </Button>
      </ModalFooter>
    </Modal>
  )
}

const TYPE_ABOUT: Record<string, string> = {
  kubernetes: 'Grants become pull secrets in namespaces, and from 1.30 on the cluster itself judges images.',
  docker: 'Grants and policies count where somebody deploys through Portreeve. The host enforces nothing.',
  swarm: 'As a Docker host.',
}
