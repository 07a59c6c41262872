/** The list of registries: how each stands, until when, where it is granted and what hangs on it. */
import '../../parts/choices.css'

import { Button, Dropdown, DropdownItem, DropdownList, MenuToggle } from '@patternfly/react-core'
import EllipsisVIcon from '@patternfly/react-icons/dist/esm/icons/ellipsis-v-icon'
import { useState } from 'react'

import { useMay } from '../../api/session'
import { Health } from '../../parts/State'
import { When } from '../../parts/Fresh'
import { here, useGo } from '../../parts/Go'
import { Page } from '../../parts/Page'
import { Rows } from '../../parts/Rows'
import { Teach } from '../../parts/Teach'
import { MayButton } from '../../parts/Who'
import { AnnotationDialog } from '../../parts/Annotation'
import { CheckDialog } from './Checklist'
import { CredentialDialog } from './CredentialDialog'
import { DeleteRegistry } from './DeleteRegistry'
import { DockerHub } from './DockerHub'
import { counted, healthOf, reasonOf, useProviders, type Overview } from './model'

type Opened = { what: 'check' | 'rotate' | 'annotation' | 'delete'; row: Overview } | null

export function Registries() {
  const go = useGo()
  const { data: providers } = useProviders()
  const titles = Object.fromEntries((providers ?? []).map((one) => [one.name, one.title]))
  const [opened, open] = useState<Opened>(null)
  const close = () => open(null)
  return (
    <Page
      title="Registries"
      about="Where images come from, with which credential, and what hangs on each."
      actions={
        <MayButton kind="registry" action="create" variant="primary" onClick={() => go('/registries/add')}>
          Add registry
        </MayButton>
      }
    >
      <Rows<Overview>
        caption="Registries"
        path="/api/v1/registry-overview"
        id={(row) => row.name}
        to={(row) => here('registries', row.name)}
        every={30_000}
        filters={[
          { name: 'q', title: 'Name, title or address' },
          { name: 'provider', title: 'Provider', options: (providers ?? []).map((one) => [one.name, one.title]) },
          { name: 'ready', title: 'Ready', options: ['True', 'False', 'Unknown'] },
        ]}
        columns={[
          { title: 'Name', sort: 'name', cell: (row) => row.title || row.name },
          {
            title: 'Address',
            sort: 'prefix',
            cell: (row) => (
              <>
                <code>{row.prefix}</code>
                <div className="fresh">{titles[row.provider] ?? row.provider}</div>
              </>
            ),
          },
          { title: 'Health', sort: 'ready', cell: (row) => <HealthCell row={row} /> },
          { title: 'Ends', sort: 'expires', cell: (row) => <Ends row={row} /> },
          { title: 'Granted', sort: 'grants', cell: (row) => <Granted row={row} /> },
          { title: 'Running', sort: 'running', cell: (row) => <Running row={row} /> },
          {
            title: 'Checked',
            sort: 'checked',
            cell: (row) => <When at={row.check?.at} />,
          },
          {
            title: 'Actions',
            actions: true,
            cell: (row) => <Actions row={row} open={(what) => open({ what, row })} />,
          },
        ]}
        empty={
          <Teach
            title="No registry yet"
            command="portreeve add registry https://harbor.example.com/v2/ --secret-stdin"
            action={
              <Button variant="primary" onClick={() => go('/registries/add')}>
                Add registry
              </Button>
            }
          >
            Each registry will stand here with its credential, whether it works, where it may be used and what runs from it. Only
            registries that are added and granted can be used through Portreeve.
          </Teach>
        }
      />
      <DockerHub />
      {opened?.what === 'check' ? <CheckDialog name={opened.row.name} onClose={close} /> : null}
      {opened?.what === 'rotate' ? <CredentialDialog name={opened.row.name} purpose="pull" first={unset(opened.row)} onClose={close} /> : null}
      {opened?.what === 'annotation' ? <AnnotationDialog registry={opened.row.name} onClose={close} /> : null}
      {opened?.what === 'delete' ? <DeleteRegistry name={opened.row.name} onClose={close} onDone={close} /> : null}
    </Page>
  )
}

/** Whether a credential is declared and nothing is stored of it yet: then it is set, and not rotated. */
function unset(row: Overview): boolean {
  return row.ready.reason === 'CredentialsMissing'
}

export function HealthCell({ row }: { row: Pick<Overview, 'ready' | 'check'> }) {
  return (
    <>
      <Health state={healthOf(row)} title={row.ready.reason} />
      <div className="fresh">{reasonOf(row)}</div>
    </>
  )
}

function Ends({ row }: { row: Overview }) {
  if (row.auth === 'anonymous') return <span className="fresh">no credential</span>
  if (row.token) {
    return (
      <>
        <When at={row.expiresAt} none="not known" />
        <div className="fresh">
          token ends <When at={row.token.expiresAt} />
        </div>
      </>
    )
  }
  return <When at={row.expiresAt} none="not known" />
}

function Granted({ row }: { row: Overview }) {
  const { environments, namespaces, selectors } = row.grants
  if (!environments) return <span className="fresh">nowhere</span>
  return (
    <>
      {counted(environments, 'environment')}
      <div className="fresh">
        {counted(namespaces, 'namespace')}
        {selectors ? ', and later ones' : ''}
      </div>
    </>
  )
}

function Running({ row }: { row: Overview }) {
  if (!row.uses.workloads) return <span className="fresh">nothing seen</span>
  return (
    <>
      {counted(row.uses.workloads, 'workload')}
      <div className="fresh">in {counted(row.uses.environments, 'environment')}</div>
    </>
  )
}

function Actions({ row, open }: { row: Overview; open: (what: 'check' | 'rotate' | 'annotation' | 'delete') => void }) {
  const [shown, show] = useState(false)
  const go = useGo()
  const items: Item[] = [
    { title: 'Validate', kind: 'registry', action: 'validate', run: () => open('check') },
    {
      title: unset(row) ? 'Set credential' : 'Rotate credential',
      kind: 'credential',
      action: unset(row) ? 'create' : 'rotate',
      run: () => open('rotate'),
      ...(row.auth === 'anonymous' ? { not: 'no credential is declared: see Edit' } : {}),
    },
    { title: 'Browse', kind: 'registry', action: 'browse', run: () => go(`${here('registries', row.name)}?tab=browse`) },
    { title: 'Annotation', kind: 'registry', action: 'browse', run: () => open('annotation') },
    { title: 'Edit', kind: 'registry', action: 'update', run: () => go(`${here('registries', row.name)}?tab=edit`) },
    { title: 'Delete', kind: 'registry', action: 'delete', run: () => open('delete'), danger: true },
  ]
  return (
    <Dropdown
      isOpen={shown}
      onOpenChange={show}
      onSelect={() => show(false)}
      shouldFocusToggleOnSelect
      popperProps={{ position: 'end' }}
      toggle={(toggle) => (
        <MenuToggle
          ref={toggle}
          variant="plain"
          isExpanded={shown}
          onClick={() => show(!shown)}
          aria-label={`Actions for ${row.name}`}
          icon={<EllipsisVIcon />}
        />
      )}
    >
      <DropdownList>
        {items.map((item) => (
          <MayItem key={item.title} {...item} />
        ))}
      </DropdownList>
    </Dropdown>
  )
}

interface Item {
  title: string
  kind: string
  action: string
  run: () => void
  danger?: boolean
  /** Why nobody can do it with this one. */
  not?: string
}

function MayItem({ title, kind, action, run, danger, not }: Item) {
  const right = useMay(kind, action)
  const may = not ? { allowed: false, who: not } : right
  return (
    <DropdownItem
      onClick={run}
      isDanger={danger ?? false}
      isAriaDisabled={!may.allowed}
      {...(may.allowed ? {} : { description: may.who })}
    >
      {title}
    </DropdownItem>
  )
}
