/** Granting by the labels of namespaces, in one environment or in all of a group: those that come later have it, too. */
import {
  Alert,
  Button,
  Form,
  FormGroup,
  FormSelect,
  FormSelectOption,
  Modal,
  ModalBody,
  ModalFooter,
  ModalHeader,
  TextInput,
} from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { useState, type FormEvent } from 'react'

import { send } from '../../api/client'
import type { Document, List } from '../../api/documents'
import { ConfirmChange } from '../../parts/ConfirmChange'
import type { Change } from '../../parts/InCode'
import { Wrong } from '../../parts/Wrong'
import { DeliveryFields } from './Delivery'
import { grantingByLabels, USUAL } from './grants'
import { lookingUp } from './look-up'

const MOST = '500'

export interface GrantByLabelsProps {
  registries: { name: string }[]
  /** Label keys that selectors may use. */
  labels: string[]
  onDone: () => void
  onClose: () => void
}

export function GrantByLabels({ registries, labels, onDone, onClose }: GrantByLabelsProps) {
  const { data: environments, error } = useQuery({
    queryKey: ['list', '/api/v1/environments', 'kubernetes'],
    queryFn: () => send<List<Document<{ group: string }>>>('/api/v1/environments', { query: { type: 'kubernetes', limit: MOST } }),
  })
  const [registry, setRegistry] = useState(registries[0]?.name ?? '')
  const [where, setWhere] = useState('')
  const [key, setKey] = useState('')
  const [value, setValue] = useState('')
  const [delivery, setDelivery] = useState(USUAL)
  const [change, make] = useState<Change | null>(null)
  const [wrong, fail] = useState<unknown>(null)
  const all = environments?.items ?? []
  const groups = [...new Set(all.map((one) => one.spec.group))].sort()
  const [kind, name] = [where.slice(0, 1), where.slice(2)]
  const chosen = all.filter((one) => (kind === 'g' ? one.spec.group === name : one.metadata.name === name))
  const ready = Boolean(registry && chosen.length && (key === '' || value))

  const submit = async (event: FormEvent) => {
    event.preventDefault()
    if (!ready) return
    fail(null)
    try {
      const names = chosen.map((one) => one.metadata.name)
      make(await grantingByLabels(registry, names, key ? { [key]: value } : {}, delivery, lookingUp()))
    } catch (failed) {
      fail(failed)
    }
  }
  const to = key ? `namespaces with ${key}=${value}` : 'every namespace'
  if (change) {
    return (
      <ConfirmChange title={`Grant ${registry} to ${to}`} change={change} verb="Grant" done={`Granted ${registry} to ${to}`} onDone={onDone} onClose={onClose} />
    )
  }
  return (
    <Modal isOpen onClose={onClose} variant="medium" aria-label="Grant by label">
      <ModalHeader title="Grant by label" description="Namespaces that are made later and have the label get the grant without asking." />
      <ModalBody>
        {error ? <Wrong error={error} /> : null}
        {wrong ? <Wrong error={wrong} /> : null}
        <Form id="grant-by-label" onSubmit={(event) => void submit(event)}>
          <FormGroup label="Registry" fieldId="label-registry" isRequired>
            <FormSelect id="label-registry" value={registry} onChange={(_, one) => setRegistry(one)}>
              {registries.map((one) => (
                <FormSelectOption key={one.name} value={one.name} label={one.name} />
              ))}
            </FormSelect>
          </FormGroup>
          <FormGroup label="Where" fieldId="label-where" isRequired>
            <FormSelect id="label-where" value={where} onChange={(_, one) => setWhere(one)}>
              <FormSelectOption value="" label="Choose a group or an environment" isDisabled />
              {groups.map((one) => (
                <FormSelectOption key={`g:${one}`} value={`g:${one}`} label={`Group ${one}: every cluster of it`} />
              ))}
              {all.map((one) => (
                <FormSelectOption key={`e:${one.metadata.name}`} value={`e:${one.metadata.name}`} label={`Environment ${one.metadata.name}`} />
              ))}
            </FormSelect>
            {kind === 'g' ? (
              <p className="fresh">
                One access in each of {chosen.length} {chosen.length === 1 ? 'cluster' : 'clusters'}. A cluster that joins the group later gets none: a
                policy does that.
              </p>
            ) : null}
          </FormGroup>
          <FormGroup label="Label" fieldId="label-key">
            <FormSelect id="label-key" value={key} onChange={(_, one) => setKey(one)}>
              <FormSelectOption value="" label="Every namespace, whatever its labels" />
              {labels.map((one) => (
                <FormSelectOption key={one} value={one} label={one} />
              ))}
            </FormSelect>
            <p className="fresh">
              Only labels that an administrator has listed can be chosen: whoever may label a namespace moves it into reach.
            </p>
          </FormGroup>
          {key ? (
            <FormGroup label={`Value of ${key}`} fieldId="label-value" isRequired>
              <TextInput id="label-value" value={value} onChange={(_, text) => setValue(text)} isRequired />
            </FormGroup>
          ) : (
            <Alert variant="warning" isInline isPlain title="Every namespace, also those of others and those to come" />
          )}
          <DeliveryFields value={delivery} set={setDelivery} />
        </Form>
      </ModalBody>
      <ModalFooter>
        <Button type="submit" form="grant-by-label" variant="primary" isDisabled={!ready}>
          Look at the plan
        </Button>
        <Button variant="link" onClick={onClose}>
          Cancel
        </Button>
      </ModalFooter>
    </Modal>
  )
}
