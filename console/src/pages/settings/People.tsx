/** Users, teams, roles and projects: lists, and forms that end in a plan as every change does. */
import { Button, Checkbox, Form, FormGroup, Modal, ModalBody, ModalFooter, ModalHeader, TextArea } from '@patternfly/react-core'
import { useState, type FormEvent, type ReactNode } from 'react'

import type { Document } from '../../api/documents'
import { PLURALS } from '../../api/documents'
import { useMay } from '../../api/session'
import { ConfirmChange } from '../../parts/ConfirmChange'
import { Field } from '../../parts/Field'
import { here } from '../../parts/Go'
import type { Change } from '../../parts/InCode'
import { Rows, type Column, type Filter } from '../../parts/Rows'
import { StateLabel } from '../../parts/State'
import { Teach } from '../../parts/Teach'
import { MayButton } from '../../parts/Who'
import { binding, bindingForm, meaning, nameFault, project, ROLES, spacesText, team, user, type Binding, type Project, type Team, type User } from './people'

interface AreaProps<Kind extends Document<any>> {
  kind: string
  /** As permissions call it. */
  permission: string
  /** "team", and what a list of them is called. */
  word: string
  caption: string
  about: string
  columns: Column<Kind>[]
  filters?: Filter[]
  to?: (row: Kind) => string
  empty: ReactNode
  /** The fields; gives the document, or null while something is missing. */
  form: (before: Kind | null, set: (document: Kind | null) => void) => ReactNode
  /** What a change means, before it is confirmed. */
  means?: (document: Kind) => string
}

/** A list of one kind with its form. */
function Area<Kind extends Document<any>>(props: AreaProps<Kind>) {
  const { kind, permission, word } = props
  const [editing, edit] = useState<{ before: Kind | null } | null>(null)
  const [asked, ask] = useState<{ title: string; change: Change; verb: string; danger: boolean; means: string } | null>(null)
  const update = useMay(permission, 'update')
  const path = `/api/v1/${PLURALS[kind]}`
  const columns: Column<Kind>[] = [
    ...props.columns,
    {
      title: 'Actions',
      actions: true,
      cell: (row) =>
        update.allowed ? (
          <span className="in-one-line">
            <Button variant="link" size="sm" onClick={() => edit({ before: row })} aria-label={`Edit ${row.metadata.name}`}>
              Edit
            </Button>{' '}
            <Button
              variant="link"
              size="sm"
              isDanger
              aria-label={`Delete ${row.metadata.name}`}
              onClick={() =>
                ask({
                  title: `Delete the ${word} ${row.metadata.name}`,
                  change: { delete: [{ kind, name: row.metadata.name, etag: row.status?.etag }] },
                  verb: 'Delete',
                  danger: true,
                  means: props.means ? `No longer: ${props.means(row)}` : '',
                })
              }
            >
              Delete
            </Button>
          </span>
        ) : null,
    },
  ]
  return (
    <section aria-label={props.caption}>
      <p className="about">{props.about}</p>
      <Rows<Kind>
        caption={props.caption}
        path={path}
        columns={columns}
        id={(row) => row.metadata.name}
        {...(props.to ? { to: props.to } : {})}
        filters={props.filters ?? []}
        empty={props.empty}
        beside={
          <MayButton kind={permission} action="create" variant="primary" onClick={() => edit({ before: null })}>
            New {word}
          </MayButton>
        }
      />
      {editing ? (
        <Editor
          title={editing.before ? `Edit the ${word} ${editing.before.metadata.name}` : `New ${word}`}
          form={(set) => props.form(editing.before, set)}
          close={() => edit(null)}
          next={(document) => {
            edit(null)
            ask({
              title: `${editing.before ? 'Change' : 'Create'} the ${word} ${document.metadata.name}`,
              change: { documents: [document] },
              verb: editing.before ? 'Change' : 'Create',
              danger: false,
              means: props.means?.(document as Kind) ?? '',
            })
          }}
        />
      ) : null}
      {asked ? (
        <ConfirmChange
          title={asked.title}
          change={asked.change}
          verb={asked.verb}
          danger={asked.danger}
          done={asked.title.replace(/^(\w+?)e? the/, '$1ed the')}
          onDone={() => ask(null)}
          onClose={() => ask(null)}
          more={() => (asked.means ? <p>{asked.means}</p> : null)}
        />
      ) : null}
    </section>
  )
}

function Editor<Kind extends Document<any>>({
  title,
  form,
  close,
  next,
}: {
  title: string
  form: (set: (document: Kind | null) => void) => ReactNode
  close: () => void
  next: (document: Kind) => void
}) {
  const [document, set] = useState<Kind | null>(null)
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (document) next(document)
  }
  return (
    <Modal isOpen onClose={close} variant="medium" aria-label={title}>
      <ModalHeader title={title} />
      <ModalBody>
        <Form onSubmit={submit} id="editor">
          {form(set)}
        </Form>
      </ModalBody>
      <ModalFooter>
        <Button type="submit" form="editor" isDisabled={!document}>
          See what it changes
        </Button>
        <Button variant="link" onClick={close}>
          Cancel
        </Button>
      </ModalFooter>
    </Modal>
  )
}

/** A form's texts, and the document that they make whenever they change. */
function useForm<Texts extends object, Kind>(begin: Texts, make: (texts: Texts) => Kind | null, set: (document: Kind | null) => void) {
  const [texts, hold] = useState(begin)
  return [
    texts,
    (part: Partial<Texts>) => {
      const now = { ...texts, ...part }
      hold(now)
      set(make(now))
    },
  ] as const
}

function NameField({ before, name, set }: { before: Document<any> | null; name: string; set: (name: string) => void }) {
  if (before) return null
  return (
    <Field
      id="name"
      label="Name"
      value={name}
      set={set}
      isRequired
      spellCheck={false}
      fault={name ? nameFault(name) : undefined}
      help="It never changes: roles and the audit log name it."
    />
  )
}

const joined = (found: string[] | undefined) => (found ?? []).join(', ')

function UserForm({ before, set }: { before: User | null; set: (document: User | null) => void }) {
  const [texts, change] = useForm(
    { name: before?.metadata.name ?? '', title: before?.spec.title ?? '', disabled: before?.spec.disabled ?? false },
    (now) => (nameFault(now.name) ? null : user(before, now.name, now.title.trim(), now.disabled)),
    set,
  )
  return (
    <>
      <NameField before={before} name={texts.name} set={(name) => change({ name })} />
      <Field id="title" label="What people call them" value={texts.title} set={(title) => change({ title })} />
      <Checkbox
        id="disabled"
        label="Disabled"
        description="They cannot sign in; their sessions and tokens stop working at once."
        isChecked={texts.disabled}
        onChange={(_, disabled) => change({ disabled })}
      />
      <p className="fresh">Nobody sets another's password. People come through an identity provider, and set a password of their own if they want one.</p>
    </>
  )
}

export function Users() {
  return (
    <Area<User>
      kind="User"
      permission="user"
      word="user"
      caption="Users"
      about="Whoever can sign in. By that alone they may do nothing: a role, a team or a project names them."
      columns={[
        { title: 'Name', cell: (one) => one.metadata.name },
        { title: 'Title', cell: (one) => one.spec.title },
        { title: 'State', cell: (one) => (one.spec.disabled ? <StateLabel look="off">disabled</StateLabel> : <StateLabel look="good">may sign in</StateLabel>) },
      ]}
      to={(one) => here('settings', 'users', one.metadata.name)}
      empty={
        <Teach title="No users" command="portreeve create -f user.yaml">
          People stand here, and those whom an identity provider has vouched for.
        </Teach>
      }
      form={(before, set) => <UserForm before={before} set={set} />}
      means={(one) => (one.spec.disabled ? `${one.metadata.name} is signed out everywhere, and their tokens are refused.` : '')}
    />
  )
}

function TeamForm({ before, set }: { before: Team | null; set: (document: Team | null) => void }) {
  const [texts, change] = useForm(
    {
      name: before?.metadata.name ?? '',
      title: before?.spec.title ?? '',
      members: joined(before?.spec.members),
      groups: (before?.spec.oidcGroups ?? []).join('\n'),
    },
    (now) => (nameFault(now.name) ? null : team(before, now.name, now.title.trim(), now.members, now.groups)),
    set,
  )
  return (
    <>
      <NameField before={before} name={texts.name} set={(name) => change({ name })} />
      <Field id="title" label="What people call it" value={texts.title} set={(title) => change({ title })} />
      <Field id="members" label="Members" value={texts.members} set={(members) => change({ members })} help="Names of users, by commas." spellCheck={false} />
      <FormGroup label="Groups of the identity provider" fieldId="groups">
        <TextArea id="groups" value={texts.groups} onChange={(_, groups) => change({ groups })} rows={3} spellCheck={false} aria-describedby="groups-help" />
        <p id="groups-help" className="fresh">
          One a line, as the provider writes them. Whoever it vouches for belongs to the team as long as it does.
        </p>
      </FormGroup>
    </>
  )
}

export function Teams() {
  return (
    <Area<Team>
      kind="Team"
      permission="team"
      word="team"
      caption="Teams"
      about="Users by name, and groups of the identity provider. A team does nothing until a role, a project or an access names it."
      columns={[
        { title: 'Name', cell: (one) => one.metadata.name },
        { title: 'Title', cell: (one) => one.spec.title },
        { title: 'Members', cell: (one) => joined(one.spec.members) },
        { title: 'Groups of the provider', cell: (one) => joined(one.spec.oidcGroups) },
      ]}
      filters={[{ name: 'member', title: 'Member' }]}
      empty={
        <Teach title="No teams" command="portreeve create -f team.yaml">
          Groups of people that roles and accesses name stand here.
        </Teach>
      }
      form={(before, set) => <TeamForm before={before} set={set} />}
    />
  )
}

function RoleForm({ before, set }: { before: Binding | null; set: (document: Binding | null) => void }) {
  const [texts, change] = useForm(
    { name: before?.metadata.name ?? '', ...bindingForm(before) },
    ({ name, ...form }) => (nameFault(name) || !(form.users.trim() || form.teams.trim()) ? null : binding(before, name, form)),
    set,
  )
  return (
    <>
      <NameField before={before} name={texts.name} set={(name) => change({ name })} />
      <fieldset className="role-tiles">
        <legend>Role</legend>
        {ROLES.map(([role, about]) => (
          <label key={role}>
            <input type="radio" name="role" value={role} checked={texts.role === role} onChange={() => change({ role })} />
            <span>{role}</span>
            <span className="fresh">{about}</span>
          </label>
        ))}
      </fieldset>
      <div className="in-columns">
        <Field id="users" label="Users" value={texts.users} set={(users) => change({ users })} help="By commas." spellCheck={false} />
        <Field id="teams" label="Teams" value={texts.teams} set={(teams) => change({ teams })} help="At least one user or team." spellCheck={false} />
      </div>
      {texts.role === 'platform-admin' ? null : (
        <div className="in-columns">
          <Field id="environments" label="Environments" value={texts.environments} set={(environments) => change({ environments })} spellCheck={false} />
          <Field id="groups" label="Groups of environments" value={texts.groups} set={(groups) => change({ groups })} help="Neither means everywhere." spellCheck={false} />
          <Field id="namespaces" label="Namespaces" value={texts.namespaces} set={(namespaces) => change({ namespaces })} help="None means all of them." spellCheck={false} />
        </div>
      )}
    </>
  )
}

export function Roles() {
  return (
    <Area<Binding>
      kind="RoleBinding"
      permission="role-binding"
      word="role binding"
      caption="Role bindings"
      about="Who has which role where. Bindings add up, and none takes anything away. Admins of a project stand with the project."
      columns={[
        { title: 'Name', cell: (one) => one.metadata.name },
        { title: 'Role', cell: (one) => one.spec.role },
        { title: 'Users', cell: (one) => joined(one.spec.subjects.users) },
        { title: 'Teams', cell: (one) => joined(one.spec.subjects.teams) },
        {
          title: 'Where',
          cell: ({ spec: { scope = {} } }) =>
            [...(scope.environments ?? []), ...(scope.groups ?? []).map((one) => `group ${one}`)].join(', ') || 'everywhere',
        },
        { title: 'Namespaces', cell: (one) => joined(one.spec.scope?.namespaces) || 'all' },
      ]}
      filters={[{ name: 'role', title: 'Role', options: ROLES.map(([role]) => role) }]}
      empty={
        <Teach title="No roles" command="portreeve create -f roles.yaml">
          Who holds which role, and where, stands here.
        </Teach>
      }
      form={(before, set) => <RoleForm before={before} set={set} />}
      means={meaning}
    />
  )
}

function ProjectForm({ before, set }: { before: Project | null; set: (document: Project | null) => void }) {
  const [texts, change] = useForm(
    {
      name: before?.metadata.name ?? '',
      title: before?.spec.title ?? '',
      users: joined(before?.spec.admins?.users),
      teams: joined(before?.spec.admins?.teams),
      spaces: spacesText(before?.spec.namespaces),
    },
    (now) => (nameFault(now.name) ? null : project(before, now.name, now.title.trim(), now.users, now.teams, now.spaces)),
    set,
  )
  return (
    <>
      <NameField before={before} name={texts.name} set={(name) => change({ name })} />
      <Field id="title" label="What people call it" value={texts.title} set={(title) => change({ title })} />
      <div className="in-columns">
        <Field id="users" label="Admins: users" value={texts.users} set={(users) => change({ users })} spellCheck={false} />
        <Field id="teams" label="Admins: teams" value={texts.teams} set={(teams) => change({ teams })} spellCheck={false} />
      </div>
      <FormGroup label="Namespaces" fieldId="spaces">
        <TextArea id="spaces" value={texts.spaces} onChange={(_, spaces) => change({ spaces })} rows={4} spellCheck={false} aria-describedby="spaces-help" />
        <p id="spaces-help" className="fresh">
          A line for each environment: prod-eu: shop, shop-jobs
        </p>
      </FormGroup>
    </>
  )
}

export function Projects() {
  return (
    <Area<Project>
      kind="Project"
      permission="project"
      word="project"
      caption="Projects"
      about="Named sets of namespaces, over one or more clusters. Their admins keep the registries and accesses in them, and nothing beyond."
      columns={[
        { title: 'Name', cell: (one) => one.metadata.name },
        { title: 'Title', cell: (one) => one.spec.title },
        { title: 'Admins', cell: (one) => joined([...(one.spec.admins?.users ?? []), ...(one.spec.admins?.teams ?? []).map((name) => `team ${name}`)]) },
        { title: 'Namespaces', cell: (one) => (one.spec.namespaces ?? []).map((part) => `${part.environment}: ${part.names.join(', ')}`).join('; ') },
      ]}
      empty={
        <Teach title="No projects" command="portreeve create -f project.yaml">
          Sets of namespaces with admins of their own stand here.
        </Teach>
      }
      form={(before, set) => <ProjectForm before={before} set={set} />}
    />
  )
}
