/** What the firewall around an environment must let through, why, what is new since the last export; and the exports. */
import { Alert, Button } from '@patternfly/react-core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'

import { pathOf, send } from '../../api/client'
import { address } from '../../api/place'
import { Fresh, When } from '../../parts/Fresh'
import { codeOfCall, InCode } from '../../parts/InCode'
import { useSay } from '../../parts/Say'
import { StateLabel } from '../../parts/State'
import { Teach } from '../../parts/Teach'
import { MayButton } from '../../parts/Who'
import { Wrong } from '../../parts/Wrong'

interface Host {
  host: string
  port: number
  purpose: string
  provider: string
  certain: boolean
  because: string[]
  note: string
}

interface Hosts {
  hosts: Host[]
  changed: { added: { host: string; port: number }[]; removed: { host: string; port: number }[]; kept: number }
  lastExport: { at: string; by: string } | null
}

const FORMS: [string, string][] = [
  ['.csv', 'CSV'],
  ['.json', 'JSON'],
  ['.yaml', 'YAML'],
  ['/rules?format=networkpolicy', 'NetworkPolicy'],
  ['/rules?format=cilium', 'Cilium'],
]
const SHOWN = 200

export function Egress({ name }: { name: string }) {
  const path = `${pathOf('environments', name)}/egress`
  const { data, error, refetch, dataUpdatedAt } = useQuery({ queryKey: ['egress', name], queryFn: () => send<Hosts>(path) })
  const [wrong, fail] = useState<unknown>(null)
  const say = useSay()
  const client = useQueryClient()
  const remember = async () => {
    fail(null)
    try {
      await send(`${path}/exports`, { method: 'POST' })
      await client.invalidateQueries({ queryKey: ['egress', name] })
      say('Remembered what is handed over now')
    } catch (failed) {
      fail(failed)
    }
  }
  if (!data) return error ? <Wrong error={error} again={() => void refetch()} /> : <p role="status">Loading…</p>
  const isNew = (one: Host) => data.changed.added.some((other) => other.host === one.host && other.port === one.port)
  if (!data.hosts.length) {
    return (
      <Teach title="Nothing has to be reached" command={`portreeve egress ${name}`}>
        Hosts stand here once a registry is granted in this environment, or its policy allows a source: each with port, purpose and reason, for whoever keeps the
        firewall.
      </Teach>
    )
  }
  return (
    <>
      <Alert variant="info" isInline isPlain title="This list is handed over to the firewall. Nothing here enforces it." />
      {wrong ? <Wrong error={wrong} /> : null}
      <div className="selected">
        <Fresh at={dataUpdatedAt} what="worked out" />
        {FORMS.map(([end, title]) => (
          <a key={end} href={address(`${path}${end}`)} download>
            {title}
          </a>
        ))}
        <MayButton kind="environment" action="update" variant="secondary" onClick={() => void remember()}>
          Remember as handed over
        </MayButton>
        <InCode code={codeOfCall({ method: 'POST', path: `${path}/exports`, argv: ['egress', name, '--export', '-o', 'csv'] })} what={`Hand over the hosts of ${name}`} />
      </div>
      <p>
        {data.lastExport ? (
          <>
            Last handed over <When at={data.lastExport.at} /> by {data.lastExport.by}: since then {data.changed.added.length} new, {data.changed.removed.length} gone.
          </>
        ) : (
          'Never handed over yet: all of it is new.'
        )}
      </p>
      {data.changed.removed.length ? (
        <p>
          Not needed any more: {data.changed.removed.slice(0, SHOWN).map((one) => `${one.host}:${one.port}`).join(', ')}
        </p>
      ) : null}
      <div className="scrolled" tabIndex={0} role="region" aria-label="Hosts to open, table">
        <table className="plain" aria-label="Hosts to open">
          <thead>
            <tr>
              <th scope="col">Host</th>
              <th scope="col">Port</th>
              <th scope="col">For</th>
              <th scope="col">Because of</th>
              <th scope="col">Note</th>
            </tr>
          </thead>
          <tbody>
            {data.hosts.slice(0, SHOWN).map((one) => (
              <tr key={`${one.host}:${one.port}:${one.purpose}`}>
                <th scope="row">
                  <code>{one.host}</code> {data.lastExport && isNew(one) ? <StateLabel look="watching">new</StateLabel> : null}
                </th>
                <td>{one.port}</td>
                <td>
                  {one.purpose}, {one.provider}
                </td>
                <td>{one.because.join(', ')}</td>
                <td>
                  {one.certain ? '' : <StateLabel look="unknown">not promised by the provider</StateLabel>} {one.note}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {data.hosts.length > SHOWN ? <p>and {data.hosts.length - SHOWN} more: take the CSV along</p> : null}
      <Button variant="link" isInline onClick={() => void refetch()}>
        Work it out anew
      </Button>
    </>
  )
}
