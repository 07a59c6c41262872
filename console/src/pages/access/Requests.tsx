/** What namespaces ask for by objects in their clusters: approved by a plan, or refused with a reason for whoever asked. */
import { Button, Form, FormGroup, Modal, ModalBody, ModalFooter, ModalHeader, TextInput } from '@patternfly/react-core'
import { useQueryClient } from '@tanstack/react-query'
import { useState, type FormEvent } from 'react'

import { pathOf, send } from '../../api/client'
import { useMay } from '../../api/session'
import { ConfirmChange, type Plan } from '../../parts/ConfirmChange'
import { When } from '../../parts/Fresh'
import { Go, here } from '../../parts/Go'
import { codeOfCall, InCode } from '../../parts/InCode'
import { Rows } from '../../parts/Rows'
import { useSay } from '../../parts/Say'
import { StateLabel } from '../../parts/State'
import { Teach } from '../../parts/Teach'
import { Wrong } from '../../parts/Wrong'
import { modeLife, modeTitle } from './words'

export interface Request {
  environment: string
  namespace: string
  name: string
  registry: string
  reason: string
  delivery: { mode: string; serviceAccounts: string[] }
  state: 'requested' | 'granted' | 'refused'
  grantedBy: string
  why: string
  decidedBy: string
  decidedAt: string | null
}

const LOOKS = { requested: 'watching', granted: 'good', refused: 'off' } as const
const WORDS = { requested: 'Requested', granted: 'Granted', refused: 'Refused' }
const LONGEST = 1000

function pathTo(one: Request, step: string): string {
  return `${pathOf('access-requests', one.environment, one.namespace, one.name)}/${step}`
}

function words(one: Request): string {
  return `${one.environment}/${one.namespace}/${one.name}`
}

export function Requests() {
  const [doing, act] = useState<{ step: 'approve' | 'deny'; one: Request } | null>(null)
  const may = useMay('registry-access', 'create')
  const close = () => act(null)
  return (
    <>
      <Rows<Request>
        caption="Requests for registries"
        path="/api/v1/access-requests"
        id={words}
        every={30_000}
        filters={[
          { name: 'state', title: 'State', options: ['requested', 'granted', 'refused'] },
          { name: 'environment', title: 'Environment (whole name)' },
          { name: 'namespace', title: 'Namespace (whole name)' },
        ]}
        columns={[
          { title: 'Environment', cell: (row) => <Go to={here('environments', row.environment)}>{row.environment}</Go> },
          { title: 'Namespace', cell: (row) => row.namespace },
          { title: 'Object', cell: (row) => row.name },
          { title: 'Registry', cell: (row) => <Go to={here('registries', row.registry)}>{row.registry}</Go> },
          { title: 'Delivery', cell: (row) => <span title={modeLife(row.delivery.mode)}>{modeTitle(row.delivery.mode)}</span> },
          { title: 'Why', cell: (row) => row.reason || 'no reason is given' },
          {
            title: 'State',
            cell: (row) => (
              <>
                <StateLabel look={LOOKS[row.state]}>{WORDS[row.state]}</StateLabel>
                {row.grantedBy ? <div className="fresh">by {row.grantedBy}</div> : null}
                {row.decidedBy ? (
                  <div className="fresh">
                    by {row.decidedBy}, <When at={row.decidedAt} />
                    {row.why ? `: ${row.why}` : ''}
                  </div>
                ) : null}
              </>
            ),
          },
          {
            title: 'Decide',
            actions: true,
            cell: (row) =>
              row.state === 'granted' || !may.allowed ? null : (
                <>
                  <Button variant="secondary" size="sm" aria-label={`Approve ${words(row)}`} onClick={() => act({ step: 'approve', one: row })}>
                    Approve
                  </Button>{' '}
                  {row.state === 'requested' ? (
                    <Button variant="link" size="sm" aria-label={`Deny ${words(row)}`} onClick={() => act({ step: 'deny', one: row })}>
                      Deny
                    </Button>
                  ) : null}
                </>
              ),
          },
        ]}
        empty={
          <Teach title="Nobody asks for a registry" command="kubectl get regacc --all-namespaces">
            Teams ask from within their cluster by an object of the kind RegistryAccess; what they ask for stands here until somebody decides.
          </Teach>
        }
      />
      {may.allowed ? null : <p className="fresh">Deciding: {may.who}.</p>}
      {doing?.step === 'approve' ? (
        <ConfirmChange
          title={`Approve ${words(doing.one)}`}
          change={{}}
          planned={{
            key: words(doing.one),
            ask: () => send<Plan>(pathTo(doing.one, 'approve'), { method: 'POST', body: {} }),
            code: codeOfCall({ method: 'POST', path: pathTo(doing.one, 'approve'), body: {}, planned: 'by plan', argv: ['approve', 'request', words(doing.one), '-y'] }),
          }}
          verb="Approve"
          done={`Granted ${doing.one.registry} to ${doing.one.namespace}`}
          onDone={close}
          onClose={close}
        />
      ) : null}
      {doing?.step === 'deny' ? <Deny one={doing.one} onClose={close} /> : null}
    </>
  )
}

function Deny({ one, onClose }: { one: Request; onClose: () => void }) {
  const [comment, set] = useState('')
  const [wrong, fail] = useState<unknown>(null)
  const say = useSay()
  const client = useQueryClient()
  const body = comment ? { comment } : {}
  const submit = async (event: FormEvent) => {
    event.preventDefault()
    fail(null)
    try {
      await send(pathTo(one, 'deny'), { method: 'POST', body })
      await client.invalidateQueries({ queryKey: ['list'] })
      say(`Refused ${words(one)}`)
      onClose()
    } catch (error) {
      fail(error)
    }
  }
  const argv = ['deny', 'request', words(one), ...(comment ? ['--comment', comment] : [])]
  return (
    <Modal isOpen onClose={onClose} variant="small" aria-label={`Deny ${words(one)}`}>
      <ModalHeader title={`Deny ${words(one)}`} description="Whoever asked reads the reason in the status of the object. Who asks anew, or for something else, is not refused any more." />
      <ModalBody>
        {wrong ? <Wrong error={wrong} /> : null}
        <Form id="deny" onSubmit={(event) => void submit(event)}>
          <FormGroup label="Reason" fieldId="deny-comment">
            <TextInput id="deny-comment" value={comment} maxLength={LONGEST} onChange={(_, text) => set(text)} />
          </FormGroup>
        </Form>
      </ModalBody>
      <ModalFooter>
        <Button variant="danger" type="submit" form="deny">
          Deny
        </Button>
        <Button variant="link" onClick={onClose}>
          Cancel
        </Button>
        <InCode code={codeOfCall({ method: 'POST', path: pathTo(one, 'deny'), body, argv })} what={`Deny ${words(one)}`} />
      </ModalFooter>
    </Modal>
  )
}
