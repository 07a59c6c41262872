/** Granting to users and teams on a Docker host or Swarm: only who holds a role there can be chosen. */
import {
  Button,
  Form,
  FormGroup,
  FormSelect,
  FormSelectOption,
  Modal,
  ModalBody,
  ModalFooter,
  ModalHeader,
  SearchInput,
} from '@patternfly/react-core'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { useState } from 'react'

import { pathOf, send } from '../../api/client'
import type { Document, List } from '../../api/documents'
import { Teach } from '../../parts/Teach'
import { Wrong } from '../../parts/Wrong'
import { Grant } from './Grant'
import type { Place } from './grants'

const MOST = '500'
const SHOWN = '100'

interface Identity {
  kind: 'team' | 'user'
  name: string
}

export function GrantPeople(props: { registries: { name: string }[]; onDone: () => void; onClose: () => void }) {
  const { data: environments } = useQuery({
    queryKey: ['list', '/api/v1/environments', 'hosts'],
    queryFn: () => send<List<Document<{ type?: string }>>>('/api/v1/environments', { query: { limit: MOST } }),
  })
  const hosts = (environments?.items ?? []).filter((one) => (one.spec.type ?? 'kubernetes') !== 'kubernetes')
  const [registry, setRegistry] = useState(props.registries[0]?.name ?? '')
  const [environment, setEnvironment] = useState('')
  const [text, find] = useState('')
  const [chosen, choose] = useState<Identity[]>([])
  const [places, go] = useState<Place[] | null>(null)
  const { data, error } = useQuery({
    queryKey: ['identities', environment, text],
    queryFn: () => send<List<Identity>>(`${pathOf('environments', environment)}/identities`, { query: { q: text, limit: SHOWN } }),
    enabled: Boolean(environment),
    placeholderData: keepPreviousData,
  })
  const isChosen = (one: Identity) => chosen.some((other) => other.kind === one.kind && other.name === one.name)
  if (places) return <Grant places={places} onDone={props.onDone} onClose={props.onClose} />
  return (
    <Modal isOpen onClose={props.onClose} variant="medium" aria-label="Grant to users and teams">
      <ModalHeader title="Grant to users and teams" description="On Docker hosts and Swarms. Only who holds a role in the environment can be chosen." />
      <ModalBody>
        {error ? <Wrong error={error} /> : null}
        <Form onSubmit={(event) => event.preventDefault()}>
          <FormGroup label="Registry" fieldId="people-registry" isRequired>
            <FormSelect id="people-registry" value={registry} onChange={(_, one) => setRegistry(one)}>
              {props.registries.map((one) => (
                <FormSelectOption key={one.name} value={one.name} label={one.name} />
              ))}
            </FormSelect>
          </FormGroup>
          <FormGroup label="Environment" fieldId="people-environment" isRequired>
            <FormSelect
              id="people-environment"
              value={environment}
              onChange={(_, one) => {
                setEnvironment(one)
                choose([])
              }}
            >
              <FormSelectOption value="" label="Choose a Docker host or a Swarm" isDisabled />
              {hosts.map((one) => (
                <FormSelectOption key={one.metadata.name} value={one.metadata.name} label={`${one.metadata.name} (${one.spec.type ?? ''})`} />
              ))}
            </FormSelect>
          </FormGroup>
          {environment ? (
            <fieldset className="access-choice">
              <legend>Users and teams with a role in {environment}</legend>
              <SearchInput aria-label="Find a user or team" placeholder="Find a user or team" value={text} onChange={(_, typed) => find(typed)} onClear={() => find('')} />
              {data?.items.map((one) => (
                <label key={`${one.kind}:${one.name}`}>
                  <input
                    type="checkbox"
                    checked={isChosen(one)}
                    onChange={() =>
                      choose(isChosen(one) ? chosen.filter((other) => other.kind !== one.kind || other.name !== one.name) : [...chosen, one])
                    }
                  />{' '}
                  {one.kind} {one.name}
                </label>
              ))}
              {data && !data.items.length ? (
                <Teach
                  title="Nobody to choose"
                  headingLevel="h3"
                  command={`portreeve apply -f binding.yaml`}
                >
                  Give somebody a role in {environment} first, by a RoleBinding. A grant to somebody without one would give them nothing.
                </Teach>
              ) : null}
            </fieldset>
          ) : null}
        </Form>
      </ModalBody>
      <ModalFooter>
        <Button
          variant="primary"
          isDisabled={!registry || !environment || !chosen.length}
          onClick={() =>
            go(chosen.map((one) => ({ registry, environment, ...(one.kind === 'team' ? { team: one.name } : { user: one.name }) })))
          }
        >
          Go on with {chosen.length}
        </Button>
        <Button variant="link" onClick={props.onClose}>
          Cancel
        </Button>
      </ModalFooter>
    </Modal>
  )
}
