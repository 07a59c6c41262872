/** What the agent tells of namespaces: what could run, who names which pull secret, pods without ours, failed pulls. */
import { Alert } from '@patternfly/react-core'

import { pathOf } from '../../api/client'
import { CopyButton } from '../../parts/Copied'
import { When } from '../../parts/Fresh'
import { Rows, useList } from '../../parts/Rows'
import { Teach } from '../../parts/Teach'

interface Space {
  namespace: string
  workloads: { owner: string; image: string }[]
  references: { secret: string; pods: number; owners: string[]; serviceAccounts: string[]; more: number }[]
  serviceAccounts: { name: string; tool: string; app: string }[]
  missed: { owner: string; why: string; pods: number; command: string }[]
  pullFailures: { owner: string; image: string; cause: string; count: number; since?: string; meaning: string; do: string }[]
  registries: string[]
  leftOut: number
}

const SHOWN = 5

function first<One>(all: One[], show: (one: One, index: number) => React.ReactNode) {
  if (!all.length) return 'none'
  return (
    <ul className="plan">
      {all.slice(0, SHOWN).map((one, index) => (
        <li key={index}>{show(one, index)}</li>
      ))}
      {all.length > SHOWN ? (
        <li>
          <details>
            <summary>and {all.length - SHOWN} more</summary>
            <ul className="plan">
              {all.slice(SHOWN, 200).map((one, index) => (
                <li key={index}>{show(one, index)}</li>
              ))}
            </ul>
          </details>
        </li>
      ) : null}
    </ul>
  )
}

export function Inventory({ name, only }: { name: string; only?: 'failures' }) {
  const path = `${pathOf('environments', name)}/inventory`
  const { data } = useList<Space>(path, { limit: '1' })
  const told = data?.metadata.told !== false
  return (
    <>
      {told ? null : (
        <Alert variant="info" isInline title="The agent has not told what is in the namespaces">
          An empty table here means that nothing is known, not that nothing is there.
        </Alert>
      )}
      <Rows<Space>
        caption={only ? 'Failed pulls by namespace' : 'Inventory by namespace'}
        path={path}
        id={(row) => row.namespace}
        twins={[]}
        every={30_000}
        filters={[{ name: 'namespace', title: 'Namespace (whole name)' }]}
        columns={[
          { title: 'Namespace', cell: (row) => row.namespace },
          {
            title: 'Failed pulls',
            cell: (row) =>
              first(row.pullFailures, (one) => (
                <>
                  <strong>{one.owner}</strong> <code>{one.image}</code>, {one.count} times
                  {one.since ? (
                    <>
                      {' '}
                      since <When at={one.since} />
                    </>
                  ) : null}
                  <div>
                    {one.meaning}. <strong>What to do:</strong> {one.do}
                  </div>
                </>
              )),
          },
          ...(only
            ? []
            : [
                {
                  title: 'Pods without our pull secret',
                  cell: (row: Space) =>
                    first(row.missed, (one) => (
                      <>
                        {one.owner}: {one.why.replaceAll('_', ' ')}, {one.pods} {one.pods === 1 ? 'pod' : 'pods'}{' '}
                        {one.command ? <CopyButton text={one.command} what={`the command for ${one.owner}`} /> : null}
                      </>
                    )),
                },
                {
                  title: 'Could run',
                  cell: (row: Space) =>
                    first(row.workloads, (one) => (
                      <>
                        {one.owner} <code>{one.image}</code>
                      </>
                    )),
                },
                {
                  title: 'Other pull secrets',
                  cell: (row: Space) =>
                    first(row.references, (one) => (
                      <>
                        <code>{one.secret}</code>: {one.pods} pods, {[...one.owners, ...one.serviceAccounts.map((account) => `ServiceAccount/${account}`)].join(', ')}
                      </>
                    )),
                },
                {
                  title: 'Registries by annotation',
                  cell: (row: Space) => (
                    <>
                      {row.registries.join(', ') || 'none'}
                      {row.leftOut ? <div className="fresh">{row.leftOut} lines were too many and are left out</div> : null}
                    </>
                  ),
                },
              ]),
        ]}
        empty={
          <Teach title="Nothing is told" command={`portreeve inventory ${name}`}>
            What the agent sees in namespaces stands here: workloads that could run, pods that do not have our pull secret, pulls that failed and why.
          </Teach>
        }
      />
    </>
  )
}
