/** One group: its environments, the policy that counts in them, who joins and who leaves. */
import './groups.css'

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
  SearchInput,
  Spinner,
  TextInput,
} from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { useParams } from '@tanstack/react-router'
import { useState } from 'react'

import { pathOf, send } from '../../api/client'
import { titleOf, type List } from '../../api/documents'
import { useMay } from '../../api/session'
import { ConfirmChange } from '../../parts/ConfirmChange'
import { When } from '../../parts/Fresh'
import { Go, here, useGo } from '../../parts/Go'
import { codeOfCall, InCode, type Change } from '../../parts/InCode'
import { Page } from '../../parts/Page'
import { Rows } from '../../parts/Rows'
import { Enforcement, StateLabel } from '../../parts/State'
import { Teach } from '../../parts/Teach'
import { MayButton } from '../../parts/Who'
import { Wrong } from '../../parts/Wrong'
import { fits, TYPE_WORDS, type Group, type Member } from './group'

const MOST = '500'
const SHOWN = 100

export function GroupPage() {
  const { name = '' } = useParams({ strict: false }) as { name?: string }
  const { data, error, refetch } = useQuery({ queryKey: ['group', name], queryFn: () => send<Group>(pathOf('groups', name)) })
  const above = [{ title: 'Environment groups', to: '/groups' }]
  if (!data) {
    return (
      <Page title={name} above={above}>
        {error ? (
          <Wrong error={error} again={() => void refetch()} />
        ) : (
          <p role="status">
            <Spinner size="md" aria-label="Loading" /> Loading…
          </p>
        )}
      </Page>
    )
  }
  return <Found group={data} above={above} />
}

type Doing = { what: 'join' } | { what: 'move'; members: Member[]; clear: () => void } | { what: 'rename' } | { what: 'remove' }

function Found({ group, above }: { group: Group; above: { title: string; to: string }[] }) {
  const { name } = group.metadata
  const [doing, act] = useState<Doing | null>(null)
  const may = useMay('environment', 'update')
  const go = useGo()
  const close = () => act(null)
  const members = group.status?.environments ?? []
  const policy = group.status?.coveredBy
  return (
    <Page
      title={titleOf(group)}
      above={above}
      about={
        <>
          {titleOf(group) === name ? null : (
            <>
              <code>{name}</code>:{' '}
            </>
          )}
          {TYPE_WORDS[group.spec.type ?? 'kubernetes']}.{' '}
          {policy ? (
            <>
              The policy <Go to={here('policies', policy)}>{policy}</Go> counts in all of them.
            </>
          ) : (
            'No policy covers it: any image may run.'
          )}
        </>
      }
      state={policy ? null : <StateLabel look="unknown">No policy</StateLabel>}
      actions={
        <>
          <InCode code={codeOfCall({ method: 'GET', path: pathOf('groups', name), argv: ['describe', 'group', name] })} what={`Read the group ${name}`} />
          <MayButton kind="environment" action="update" variant="primary" onClick={() => act({ what: 'join' })}>
            Take environments in
          </MayButton>
          <MayButton kind="environment-group" action="update" variant="secondary" onClick={() => act({ what: 'rename' })}>
            Rename
          </MayButton>
          <MayButton kind="environment-group" action="delete" variant="secondary" isDanger onClick={() => act({ what: 'remove' })}>
            Remove
          </MayButton>
        </>
      }
    >
      <Rows<Member>
        caption={`Environments of ${name}`}
        path="/api/v1/environments"
        fixed={{ group: name }}
        id={(row) => row.metadata.name}
        to={(row) => here('environments', row.metadata.name)}
        every={30_000}
        filters={[{ name: 'q', title: 'Name or title' }]}
        columns={[
          { title: 'Name', cell: (row) => row.metadata.name },
          { title: 'Title', cell: (row) => row.spec.title ?? '' },
          { title: 'Tier', cell: (row) => row.spec.tier },
          {
            title: 'Agent seen',
            cell: (row) => <When at={row.status?.agent?.lastSeen} />,
          },
          { title: 'Enforcement', cell: (row) => <Enforcement state={row.status?.enforcement} /> },
          {
            title: 'Can restrict',
            cell: (row) =>
              row.status?.cannotRestrict ? (
                <StateLabel look="warning" title={row.status.cannotRestrict}>
                  cannot restrict: needs 1.30
                </StateLabel>
              ) : (
                ''
              ),
          },
        ]}
        {...(may.allowed
          ? {
              selected: (rows: Member[], clear: () => void) => (
                <Button variant="secondary" onClick={() => act({ what: 'move', members: rows, clear })}>
                  Move {rows.length} to another group
                </Button>
              ),
            }
          : {})}
        empty={
          <Teach title="No environment is in this group" command={`portreeve add environment NAME --tier production --group ${name}`}>
            Environments of the group stand here. A policy of the group counts in each of them, also in those that join later.
          </Teach>
        }
      />
      {doing?.what === 'join' ? <Join group={group} onClose={close} /> : null}
      {doing?.what === 'move' ? (
        <MoveTo
          group={group}
          members={doing.members}
          onDone={() => {
            doing.clear()
            close()
          }}
          onClose={close}
        />
      ) : null}
      {doing?.what === 'rename' ? <Rename group={group} onClose={close} /> : null}
      {doing?.what === 'remove' ? (
        <ConfirmChange
          title={`Remove the group ${name}`}
          change={{ delete: [{ kind: 'EnvironmentGroup', name, etag: group.status?.etag }] }}
          verb="Remove"
          danger
          done={`Removed ${name}`}
          onDone={() => go('/groups')}
          onClose={close}
          more={() => (members.length ? <p>Move its {members.length} environments to another group first: {members.slice(0, 20).join(', ')}.</p> : null)}
        />
      ) : null}
    </Page>
  )
}

/** The documents of environments in another group. */
export function moved(members: Member[], group: string): Change {
  return { documents: members.map((one) => ({ ...one, spec: { ...one.spec, group } })) }
}

function useAllEnvironments() {
  return useQuery({
    queryKey: ['list', '/api/v1/environments', 'all'],
    queryFn: () => send<List<Member>>('/api/v1/environments', { query: { limit: MOST } }),
  })
}

/** Environments of other groups, chosen to come in. */
function Join({ group, onClose }: { group: Group; onClose: () => void }) {
  const { name } = group.metadata
  const { data, error } = useAllEnvironments()
  const [text, find] = useState('')
  const [chosen, choose] = useState<Member[]>([])
  const [change, make] = useState<Change | null>(null)
  const others = (data?.items ?? []).filter((one) => one.spec.group !== name && fits(one, group))
  const matching = others.filter((one) => one.metadata.name.includes(text) || one.spec.group.includes(text))
  const isChosen = (one: Member) => chosen.some((other) => other.metadata.name === one.metadata.name)
  if (change) {
    return (
      <ConfirmChange
        title={`Take ${chosen.length === 1 ? (chosen[0]?.metadata.name ?? '') : `${chosen.length} environments`} into ${name}`}
        change={change}
        verb="Take in"
        done={`${chosen.map((one) => one.metadata.name).join(', ')} now in ${name}`}
        onDone={onClose}
        onClose={onClose}
      />
    )
  }
  return (
    <Modal isOpen onClose={onClose} variant="medium" aria-label={`Take environments into ${name}`}>
      <ModalHeader title={`Take environments into ${name}`} description="Each leaves the group that it is in. The plan shows what the change of policy does." />
      <ModalBody>
        {error ? <Wrong error={error} /> : null}
        <SearchInput aria-label="Find an environment" placeholder="Find an environment" value={text} onChange={(_, typed) => find(typed)} onClear={() => find('')} />
        <fieldset className="group-members">
          <legend className="off-screen">Environments of other groups</legend>
          {matching.slice(0, SHOWN).map((one) => (
            <label key={one.metadata.name}>
              <input
                type="checkbox"
                checked={isChosen(one)}
                onChange={() => choose(isChosen(one) ? chosen.filter((other) => other.metadata.name !== one.metadata.name) : [...chosen, one])}
              />{' '}
              {one.metadata.name}{' '}
              <span className="fresh">
                {one.spec.tier}, now in {one.spec.group}, policy {one.status?.policy ?? 'none'}
              </span>
            </label>
          ))}
        </fieldset>
        {matching.length > SHOWN ? <p>and {matching.length - SHOWN} more: find them by name</p> : null}
        {data && !others.length ? <Alert variant="info" isInline isPlain title="There is no environment in another group that would fit." /> : null}
      </ModalBody>
      <ModalFooter>
        <Button variant="primary" isDisabled={!chosen.length} onClick={() => make(moved(chosen, name))}>
          Look at the plan
        </Button>
        <Button variant="link" onClick={onClose}>
          Cancel
        </Button>
      </ModalFooter>
    </Modal>
  )
}

function MoveTo(props: { group: Group; members: Member[]; onDone: () => void; onClose: () => void }) {
  const { data } = useQuery({ queryKey: ['list', '/api/v1/groups', 'all'], queryFn: () => send<List<Group>>('/api/v1/groups', { query: { limit: MOST } }) })
  const [to, choose] = useState('')
  const [change, make] = useState<Change | null>(null)
  const groups = (data?.items ?? []).filter((one) => one.metadata.name !== props.group.metadata.name && props.members.every((member) => fits(member, one)))
  const policyOf = groups.find((one) => one.metadata.name === to)?.status?.coveredBy
  const what = props.members.length === 1 ? (props.members[0]?.metadata.name ?? '') : `${props.members.length} environments`
  if (change) {
    return <ConfirmChange title={`Move ${what} to ${to}`} change={change} verb="Move" done={`Moved ${what} to ${to}`} onDone={props.onDone} onClose={props.onClose} />
  }
  return (
    <Modal isOpen onClose={props.onClose} variant="small" aria-label={`Move ${what}`}>
      <ModalHeader title={`Move ${what}`} />
      <ModalBody>
        <Form onSubmit={(event) => event.preventDefault()}>
          <FormGroup label="To the group" fieldId="move-to" isRequired>
            <FormSelect id="move-to" value={to} onChange={(_, one) => choose(one)}>
              <FormSelectOption value="" label="Choose a group" isDisabled />
              {groups.map((one) => (
                <FormSelectOption key={one.metadata.name} value={one.metadata.name} label={`${one.metadata.name}${one.status?.coveredBy ? `: policy ${one.status.coveredBy}` : ': no policy'}`} />
              ))}
            </FormSelect>
          </FormGroup>
          {to ? (
            <Alert variant={policyOf ? 'info' : 'warning'} isInline title={policyOf ? `The policy ${policyOf} would count then` : 'No policy would count then: any image may run'}>
              The plan shows which running images that would deny, and which accesses it masks or lets count again.
            </Alert>
          ) : null}
        </Form>
      </ModalBody>
      <ModalFooter>
        <Button variant="primary" isDisabled={!to} onClick={() => make(moved(props.members, to))}>
          Look at the plan
        </Button>
        <Button variant="link" onClick={props.onClose}>
          Cancel
        </Button>
      </ModalFooter>
    </Modal>
  )
}

function Rename({ group, onClose }: { group: Group; onClose: () => void }) {
  const { name } = group.metadata
  const [title, set] = useState(group.spec.title ?? '')
  const [change, make] = useState<Change | null>(null)
  if (change) {
    return <ConfirmChange title={`Rename ${name}`} change={change} verb="Rename" done={`${name} is called ${title || name}`} onDone={onClose} onClose={onClose} />
  }
  return (
    <Modal isOpen onClose={onClose} variant="small" aria-label={`Rename ${name}`}>
      <ModalHeader title={`Rename ${name}`} description="What people call it. Its name stays, as documents refer to it." />
      <ModalBody>
        <Form
          id="rename-group"
          onSubmit={(event) => {
            event.preventDefault()
            const { title: _title, ...rest } = group.spec
            make({ documents: [{ ...group, spec: { ...rest, ...(title ? { title } : {}) } }] })
          }}
        >
          <FormGroup label="Title" fieldId="rename-title">
            <TextInput id="rename-title" value={title} onChange={(_, text) => set(text)} autoComplete="off" />
          </FormGroup>
        </Form>
      </ModalBody>
      <ModalFooter>
        <Button type="submit" form="rename-group" variant="primary">
          Look at the plan
        </Button>
        <Button variant="link" onClick={onClose}>
          Cancel
        </Button>
      </ModalFooter>
    </Modal>
  )
}
