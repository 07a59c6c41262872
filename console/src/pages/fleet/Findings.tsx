/** An empty installation: what was found on this machine, without contacting any of it, and how each is connected. */
import { Alert, Card, CardBody, CardTitle, Spinner } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import type { ReactNode } from 'react'

import { send } from '../../api/client'
import type { operations } from '../../api/schema'
import { Copied } from '../../parts/Copied'
import { Go } from '../../parts/Go'
import { StateLabel } from '../../parts/State'
import { Wrong } from '../../parts/Wrong'
import { counted } from './model'

type Found = operations['read_discovery']['responses']['200']['content']['application/json']
type Step = Found['contexts'][number]['connect'][number]

/** Of each kind that many are shown. */
const SHOWN = 20

export function Findings() {
  const { data, error, refetch } = useQuery({
    queryKey: ['discovery'],
    queryFn: ({ signal }) => send<Found>('/api/v1/discovery', { signal }),
  })
  if (error) return <Wrong error={error} again={() => void refetch()} />
  if (!data) {
    return (
      <p role="status">
        <Spinner size="md" aria-label="Looking around" /> Looking around on this machine…
      </p>
    )
  }
  const nothing = !data.contexts.length && !data.logins.length && !data.engines.length
  return (
    <>
      <Alert
        variant="info"
        isInline
        title={`Found on the machine of the control plane: ${counted(data.contexts.length, 'context')}, ${counted(data.engines.length, 'engine')}, ${counted(data.logins.length, 'registry login')}`}
      >
        <p>
          {data.contacted
            ? 'Some of it was contacted.'
            : 'Nothing was contacted: files were read, and sockets were looked at from outside. No password was read.'}{' '}
          Choose what to connect. Groups and environments will then stand here, with what runs in them and whether it may.
        </p>
      </Alert>
      {nothing ? <Nothing /> : null}
      <Part title="Clusters" about="Contexts of your kubeconfig. The first command only reads, with your own rights.">
        {data.contexts.slice(0, SHOWN).map((one) => (
          <Finding
            key={`${one.file}/${one.name}`}
            title={one.name}
            labels={[...(one.current ? ['current'] : []), ...(one.tool ? [`runs here: ${one.tool}`] : [])]}
            from={one.file}
            steps={one.connect}
          />
        ))}
      </Part>
      <Part title="Registries" about="Hosts that somebody has logged in to. Whether a login still counts is not known.">
        {data.logins.slice(0, SHOWN).map((one) => (
          <Finding
            key={`${one.file}/${one.host}`}
            title={one.host}
            labels={[one.kept === 'helper' ? `kept by ${one.helper}` : 'kept in the file']}
            from={one.file}
            steps={one.connect}
            also={<Go to="/registries/add">Add it here</Go>}
          />
        ))}
      </Part>
      <Part title="Container engines" about="Sockets that are there. Whether anybody answers is not known.">
        {data.engines.slice(0, SHOWN).map((one) => (
          <Finding key={one.address} title={one.name} labels={[]} from={one.address} steps={one.connect} />
        ))}
      </Part>
      {data.unread.length ? (
        <Alert variant="warning" isInline title={`${counted(data.unread.length, 'file')} could not be used`}>
          <ul>
            {data.unread.slice(0, SHOWN).map((one) => (
              <li key={one.file}>
                <code>{one.file}</code>: {one.reason}
              </li>
            ))}
          </ul>
        </Alert>
      ) : null}
    </>
  )
}

function Part({ title, about, children }: { title: string; about: string; children: ReactNode[] }) {
  if (!children.length) return null
  return (
    <section aria-label={title} className="fleet-group">
      <h2>{title}</h2>
      <p className="about">{about}</p>
      <ul className="fleet-findings">{children}</ul>
    </section>
  )
}

function Finding({ title, labels, from, steps, also }: { title: string; labels: string[]; from: string; steps: Step[]; also?: ReactNode }) {
  return (
    <li>
      <Card isCompact isFullHeight component="section">
        <CardTitle component="h3">
          {title}{' '}
          <span className="labels">
            {labels.map((one) => (
              <StateLabel key={one} look="off">
                {one}
              </StateLabel>
            ))}
          </span>
        </CardTitle>
        <CardBody>
          <p className="fresh">
            from <code>{from}</code>; not contacted
          </p>
          {steps.map((one) => (
            <div key={one.command}>
              <p>
                {one.does} {one.readsOnly ? <StateLabel look="watching">only reads</StateLabel> : null}
              </p>
              <Copied text={one.command} what={`the command: ${one.does}`} />
            </div>
          ))}
          {also}
        </CardBody>
      </Card>
    </li>
  )
}

/** Nothing lies about here: how an environment is made by hand. */
function Nothing() {
  return (
    <section aria-label="Connect a cluster" className="fleet-group">
      <h2>Connect a cluster</h2>
      <p>This machine has no kubeconfig, no engine and no login that could be read. An agent is enrolled by one command:</p>
      <Copied text="portreeve add environment prod-eu --tier production --group production" what="the command" />
    </section>
  )
}
