/** Groups: what policies are attached to. */
import { Button, Form, FormGroup, FormSelect, FormSelectOption, Modal, ModalBody, ModalFooter, ModalHeader, TextInput } from '@patternfly/react-core'
import { useState, type FormEvent } from 'react'

import { fresh } from '../../api/documents'
import { ConfirmChange } from '../../parts/ConfirmChange'
import { Go, here, useGo } from '../../parts/Go'
import { codeOfCall, InCode, type Change } from '../../parts/InCode'
import { Page } from '../../parts/Page'
import { Rows } from '../../parts/Rows'
import { reading } from '../../parts/shell'
import { StateLabel } from '../../parts/State'
import { Teach } from '../../parts/Teach'
import { useUrl } from '../../parts/url'
import { MayButton } from '../../parts/Who'
import { yaml } from '../../parts/yaml'
import { AnonymousDockerHub } from './AnonymousDockerHub'
import { TYPE_WORDS, type Group } from './group'

const FIRST = reading('portreeve apply -f -', yaml(fresh('EnvironmentGroup', 'production', { type: 'kubernetes' })))

export function Groups() {
  const [url, set] = useUrl()
  const add = (
    <MayButton kind="environment-group" action="create" variant="primary" onClick={() => set({ add: '1' }, true)}>
      Add a group
    </MayButton>
  )
  return (
    <Page
      title="Environment groups"
      about="What policies are attached to. An environment is in exactly one group, and a group has at most one registry policy for each type."
      actions={
        <>
          <InCode code={codeOfCall({ method: 'GET', path: '/api/v1/groups', argv: ['get', 'groups'] })} what="List groups" />
          {add}
        </>
      }
    >
      <Rows<Group>
        caption="Groups"
        path="/api/v1/groups"
        id={(row) => row.metadata.name}
        to={(row) => here('groups', row.metadata.name)}
        filters={[
          { name: 'q', title: 'Name or title' },
          { name: 'type', title: 'Type', options: Object.entries(TYPE_WORDS) },
        ]}
        columns={[
          { title: 'Name', cell: (row) => row.metadata.name },
          { title: 'Title', cell: (row) => row.spec.title ?? '', sort: 'title' },
          { title: 'For', cell: (row) => TYPE_WORDS[row.spec.type ?? 'kubernetes'], sort: 'type' },
          { title: 'Environments', cell: (row) => row.status?.environments?.length ?? 0 },
          {
            title: 'Policy',
            cell: (row) =>
              row.status?.coveredBy ? (
                <Go to={here('policies', row.status.coveredBy)}>{row.status.coveredBy}</Go>
              ) : (
                <StateLabel look="unknown">none: any image may run</StateLabel>
              ),
            sort: 'policy',
          },
        ]}
        empty={
          <Teach title="No group yet" action={add} command={FIRST}>
            A group stands here with its environments and the policy that counts in them. Adding an environment makes its group, too.
          </Teach>
        }
      />
      <AnonymousDockerHub />
      {url.add ? <AddGroup onClose={() => set({ add: undefined })} /> : null}
    </Page>
  )
}

function AddGroup({ onClose }: { onClose: () => void }) {
  const [name, setName] = useState('')
  const [title, setTitle] = useState('')
  const [type, setType] = useState('kubernetes')
  const [change, make] = useState<Change | null>(null)
  const go = useGo()
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (name) make({ documents: [fresh('EnvironmentGroup', name, { type, ...(title ? { title } : {}) })] })
  }
  if (change) {
    return (
      <ConfirmChange title={`Add the group ${name}`} change={change} verb="Add" done={`Added ${name}`} onDone={() => go(here('groups', name))} onClose={onClose} />
    )
  }
  return (
    <Modal isOpen onClose={onClose} variant="small" aria-label="Add a group">
      <ModalHeader title="Add a group" />
      <ModalBody>
        <Form id="add-group" onSubmit={submit}>
          <FormGroup label="Name" fieldId="group-name" isRequired>
            <TextInput id="group-name" value={name} onChange={(_, text) => setName(text)} isRequired pattern="[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?" maxLength={63} autoComplete="off" />
            <p className="fresh">Lower-case letters, digits and dashes. It never changes; the title does.</p>
          </FormGroup>
          <FormGroup label="Title" fieldId="group-title">
            <TextInput id="group-title" value={title} onChange={(_, text) => setTitle(text)} autoComplete="off" />
          </FormGroup>
          <FormGroup label="For" fieldId="group-type">
            <FormSelect id="group-type" value={type} onChange={(_, one) => setType(one)}>
              {Object.entries(TYPE_WORDS).map(([key, words]) => (
                <FormSelectOption key={key} value={key} label={words} />
              ))}
            </FormSelect>
          </FormGroup>
        </Form>
      </ModalBody>
      <ModalFooter>
        <Button type="submit" form="add-group" variant="primary" isDisabled={!name}>
          Look at the plan
        </Button>
        <Button variant="link" onClick={onClose}>
          Cancel
        </Button>
      </ModalFooter>
    </Modal>
  )
}
