/** Accesses as documents: what each grants, whether a policy replaces it; delivery changed, and deleted. */
import { Button, Form, Modal, ModalBody, ModalFooter, ModalHeader } from '@patternfly/react-core'
import { useState } from 'react'

import { useMay } from '../../api/session'
import { ConfirmChange } from '../../parts/ConfirmChange'
import { Go, here } from '../../parts/Go'
import type { Change } from '../../parts/InCode'
import { Rows } from '../../parts/Rows'
import { StateLabel } from '../../parts/State'
import { Teach } from '../../parts/Teach'
import { DeliveryFields } from './Delivery'
import { USUAL, type Access, type Delivery } from './grants'
import { modeLife, modeTitle } from './words'

type Masked = Access & { status?: { maskedBy?: string[] } }

interface Selector {
  matchLabels?: Record<string, string>
  matchExpressions?: { key: string; operator: string; values?: string[] }[]
}

/** A selector as one reads it. */
export function selectorText(selector: Selector): string {
  const labels = Object.entries(selector.matchLabels ?? {}).map(([key, value]) => `${key}=${value}`)
  const lines = (selector.matchExpressions ?? []).map((one) => `${one.key} ${one.operator} ${(one.values ?? []).join(' ')}`.trim())
  return [...labels, ...lines].join(', ') || 'every namespace'
}

function whom(access: Access): string {
  const { namespaces, subjects } = access.spec
  const parts = [
    ...(namespaces?.names ?? []),
    ...(namespaces?.selector ? [`by label: ${selectorText(namespaces.selector as Selector)}`] : []),
    ...(subjects?.teams ?? []).map((one) => `team ${one}`),
    ...(subjects?.users ?? []).map((one) => `user ${one}`),
  ]
  return parts.join(', ')
}

export function Grants() {
  const [doing, act] = useState<{ what: 'deliver'; one: Access } | { what: 'delete'; all: Access[]; clear: () => void } | null>(null)
  const mayChange = useMay('registry-access', 'update')
  const mayDelete = useMay('registry-access', 'delete')
  const close = () => act(null)
  return (
    <>
      <Rows<Masked>
        caption="Accesses"
        path="/api/v1/access"
        id={(row) => row.metadata.name}
        filters={[
          { name: 'q', title: 'Name' },
          { name: 'registry', title: 'Registry (whole name)' },
          { name: 'environment', title: 'Environment (whole name)' },
          { name: 'project', title: 'Project (whole name)' },
        ]}
        columns={[
          { title: 'Name', cell: (row) => row.metadata.name },
          { title: 'Registry', cell: (row) => <Go to={here('registries', row.spec.registry)}>{row.spec.registry}</Go> },
          {
            title: 'Where',
            cell: (row) =>
              row.spec.environment ? <Go to={here('environments', row.spec.environment)}>{row.spec.environment}</Go> : `project ${row.spec.project ?? ''}`,
          },
          { title: 'For', cell: whom },
          {
            title: 'Delivery',
            cell: (row) => {
              const mode = row.spec.delivery?.mode ?? 'standing'
              return <span title={modeLife(mode)}>{modeTitle(mode)}</span>
            },
          },
          {
            title: 'Counts',
            cell: (row) =>
              row.status?.maskedBy?.length ? (
                <StateLabel look="off" title="It is kept, and counts again as soon as the policy goes">
                  Masked by {row.status.maskedBy.join(', ')}
                </StateLabel>
              ) : (
                <StateLabel look="good">In force</StateLabel>
              ),
          },
          {
            title: 'Change',
            actions: true,
            cell: (row) =>
              mayChange.allowed && !row.spec.subjects ? (
                <Button variant="link" size="sm" aria-label={`Change delivery of ${row.metadata.name}`} onClick={() => act({ what: 'deliver', one: row })}>
                  Change delivery
                </Button>
              ) : null,
          },
        ]}
        {...(mayDelete.allowed
          ? {
              selected: (rows: Access[], clear: () => void) => (
                <Button variant="secondary" isDanger onClick={() => act({ what: 'delete', all: rows, clear })}>
                  Delete {rows.length}
                </Button>
              ),
            }
          : {})}
        empty={
          <Teach title="Nothing is granted by an access" command="portreeve grant harbor-prod --environment prod-eu -n shop">
            An access grants one registry to namespaces of one environment or project. Policies grant, too, for whole groups.
          </Teach>
        }
      />
      {mayDelete.allowed ? null : <p className="fresh">Deleting: {mayDelete.who}.</p>}
      {doing?.what === 'deliver' ? <ChangeDelivery access={doing.one} onClose={close} /> : null}
      {doing?.what === 'delete' ? (
        <ConfirmChange
          title={doing.all.length === 1 ? `Delete the access ${doing.all[0]?.metadata.name ?? ''}` : `Delete ${doing.all.length} accesses`}
          change={{ delete: doing.all.map((one) => ({ kind: 'RegistryAccess', name: one.metadata.name, etag: one.status?.etag })) }}
          verb="Delete"
          danger
          done={`Deleted ${doing.all.length === 1 ? (doing.all[0]?.metadata.name ?? '') : `${doing.all.length} accesses`}`}
          onDone={() => {
            doing.clear()
            close()
          }}
          onClose={close}
        />
      ) : null}
    </>
  )
}

function ChangeDelivery({ access, onClose }: { access: Access; onClose: () => void }) {
  const { name } = access.metadata
  const held = access.spec.delivery ?? {}
  const words = ['default', 'all', 'none']
  const accounts = words.includes(String(held.serviceAccounts)) ? (held.serviceAccounts as Delivery['serviceAccounts']) : USUAL.serviceAccounts
  const [delivery, set] = useState<Delivery>({ mode: held.mode ?? 'standing', serviceAccounts: accounts })
  const [change, make] = useState<Change | null>(null)
  // ServiceAccounts that are named or selected stay so: the fields here know words alone.
  const kept = typeof held.serviceAccounts === 'object' ? held.serviceAccounts : delivery.serviceAccounts
  if (change) {
    return <ConfirmChange title={`Change ${name}`} change={change} verb="Change" done={`Changed ${name}`} onDone={onClose} onClose={onClose} />
  }
  return (
    <Modal isOpen onClose={onClose} variant="medium" aria-label={`How ${name} is delivered`}>
      <ModalHeader title={`How ${name} is delivered`} />
      <ModalBody>
        <Form>
          <DeliveryFields value={delivery} set={set} />
        </Form>
      </ModalBody>
      <ModalFooter>
        <Button
          variant="primary"
          onClick={() => make({ documents: [{ ...access, spec: { ...access.spec, delivery: { mode: delivery.mode, serviceAccounts: kept } } }] })}
        >
          Look at the plan
        </Button>
        <Button variant="link" onClick={onClose}>
          Cancel
        </Button>
      </ModalFooter>
    </Modal>
  )
}
