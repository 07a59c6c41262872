/** Another title, tier or group: what another policy would then do is in the plan. */
import { Alert, Button, Form, FormGroup, FormSelect, FormSelectOption, Modal, ModalBody, ModalFooter, ModalHeader, TextInput } from '@patternfly/react-core'
import { useState, type FormEvent } from 'react'

import type { Tier } from '../../api/documents'
import { ConfirmChange } from '../../parts/ConfirmChange'
import type { Change } from '../../parts/InCode'
import { Tiles } from '../../parts/Tiles'
import { useGroups } from './AddEnvironment'
import { TIER_WORDS, TIERS, type Environment } from './environment'

export function ChangeEnvironment({ environment, onClose }: { environment: Environment; onClose: () => void }) {
  const { name } = environment.metadata
  const [title, setTitle] = useState(environment.spec.title ?? '')
  const [tier, setTier] = useState<Tier>(environment.spec.tier)
  const [group, setGroup] = useState(environment.spec.group)
  const [change, make] = useState<Change | null>(null)
  const groups = useGroups(environment.spec.type ?? 'kubernetes')
  const policyOf = (one: string) => groups.find((other) => other.metadata.name === one)?.status?.coveredBy
  const submit = (event: FormEvent) => {
    event.preventDefault()
    const { title: _title, ...rest } = environment.spec
    make({ documents: [{ ...environment, spec: { ...rest, tier, group, ...(title ? { title } : {}) } }] })
  }
  if (change) {
    return <ConfirmChange title={`Change ${name}`} change={change} verb="Change" done={`Changed ${name}`} onDone={onClose} onClose={onClose} />
  }
  const [was, is] = [policyOf(environment.spec.group), policyOf(group)]
  return (
    <Modal isOpen onClose={onClose} variant="medium" aria-label={`Change ${name}`}>
      <ModalHeader title={`Change ${name}`} description="Tier and group decide which rules hold." />
      <ModalBody>
        <Form id="change-environment" onSubmit={submit}>
          <FormGroup label="Title" fieldId="change-title">
            <TextInput id="change-title" value={title} onChange={(_, text) => setTitle(text)} autoComplete="off" />
          </FormGroup>
          <Tiles legend="Tier" value={tier} set={(one) => setTier(one as Tier)} tiles={TIERS.map((key) => ({ key, title: key, about: TIER_WORDS[key] }))} />
          <FormGroup label="Group" fieldId="change-group">
            <FormSelect id="change-group" value={group} onChange={(_, one) => setGroup(one)}>
              {groups.map((one) => (
                <FormSelectOption key={one.metadata.name} value={one.metadata.name} label={`${one.metadata.name}${one.status?.coveredBy ? `: policy ${one.status.coveredBy}` : ': no policy'}`} />
              ))}
            </FormSelect>
          </FormGroup>
          {group !== environment.spec.group ? (
            <Alert variant="warning" isInline title={was === is ? 'The policy stays the same' : `The policy would be ${is ?? 'none'}, and is ${was ?? 'none'}`}>
              The plan shows which running images that would deny, and which accesses it masks or lets count again.
            </Alert>
          ) : null}
        </Form>
      </ModalBody>
      <ModalFooter>
        <Button type="submit" form="change-environment" variant="primary">
          Look at the plan
        </Button>
        <Button variant="link" onClick={onClose}>
          Cancel
        </Button>
      </ModalFooter>
    </Modal>
  )
}
