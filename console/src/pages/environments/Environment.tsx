/** One environment: what counts in it and why, what is delivered, what runs, its agent, what it must reach. */
import './environments.css'

import { Spinner, Tab, Tabs, TabTitleText } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { useParams } from '@tanstack/react-router'
import { useState, type ReactNode } from 'react'

import { pathOf, send } from '../../api/client'
import { titleOf } from '../../api/documents'
import { Fresh } from '../../parts/Fresh'
import { useGo } from '../../parts/Go'
import { codeOfCall, InCode } from '../../parts/InCode'
import { Page } from '../../parts/Page'
import { StatePair, StateLabel } from '../../parts/State'
import { useUrl } from '../../parts/url'
import { MayButton } from '../../parts/Who'
import { Wrong } from '../../parts/Wrong'
import { Agent } from './Agent'
import { ChangeEnvironment } from './ChangeEnvironment'
import { Egress } from './Egress'
import { Inventory } from './Inventory'
import { Overview } from './Overview'
import { RemoveEnvironment } from './RemoveEnvironment'
import { PullSecrets } from './PullSecrets'
import { healthOf, isKubernetes, type Environment } from './environment'

export function useEnvironment(name: string) {
  return useQuery({
    queryKey: ['environment', name],
    queryFn: ({ signal }) => send<Environment>(pathOf('environments', name), { signal }),
    refetchInterval: 15_000,
  })
}

export function EnvironmentPage() {
  const { name = '' } = useParams({ strict: false }) as { name?: string }
  const { data, error, refetch } = useEnvironment(name)
  const above = [{ title: 'Environments', to: '/environments' }]
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
  return <Found environment={data} above={above} />
}

function Found({ environment, above }: { environment: Environment; above: { title: string; to: string }[] }) {
  const [url, set] = useUrl()
  const [doing, act] = useState<'change' | 'remove' | null>(null)
  const go = useGo()
  const { name } = environment.metadata
  const { status } = environment
  const tabs: { tab: string; title: string; content: ReactNode }[] = [
    { tab: 'overview', title: 'Overview', content: <Overview environment={environment} /> },
    ...(isKubernetes(environment)
      ? [
          { tab: 'pullsecrets', title: 'Pull secrets', content: <PullSecrets name={name} /> },
          { tab: 'inventory', title: 'Inventory', content: <Inventory name={name} /> },
          { tab: 'pulls', title: 'Failed pulls', content: <Inventory name={name} only="failures" /> },
        ]
      : []),
    { tab: 'agent', title: 'Agent', content: <Agent environment={environment} /> },
    { tab: 'egress', title: 'Egress', content: <Egress name={name} /> },
  ]
  const at = tabs.find((one) => one.tab === url.tab) ?? tabs[0]
  return (
    <Page
      title={titleOf(environment)}
      above={above}
      about={titleOf(environment) === name ? undefined : <code>{name}</code>}
      state={
        status?.phase === 'Leaving' ? (
          <StateLabel look="warning">Leaving</StateLabel>
        ) : (
          <StatePair enforcement={status?.enforcement} health={healthOf(status)} />
        )
      }
      fresh={<Fresh at={status?.reportedAt} what="told by its agent" />}
      actions={
        <>
          <InCode
            code={codeOfCall({ method: 'GET', path: pathOf('environments', name), argv: ['describe', 'environment', name] })}
            what={`Read the environment ${name}`}
          />
          <MayButton kind="environment" action="update" variant="secondary" onClick={() => act('change')}>
            Change
          </MayButton>
          <MayButton kind="environment" action="delete" variant="secondary" isDanger onClick={() => act('remove')}>
            Remove
          </MayButton>
        </>
      }
    >
      <Tabs
        activeKey={at?.tab ?? 'overview'}
        onSelect={(_, tab) => set({ tab: tab === 'overview' ? undefined : String(tab), cursor: undefined, namespace: undefined, columns: undefined }, true)}
        aria-label={`Parts of ${name}`}
        mountOnEnter
        unmountOnExit
      >
        {tabs.map((one) => (
          <Tab key={one.tab} eventKey={one.tab} title={<TabTitleText>{one.title}</TabTitleText>}>
            {one === at ? <div className="environment-tab">{one.content}</div> : null}
          </Tab>
        ))}
      </Tabs>
      {doing === 'change' ? <ChangeEnvironment environment={environment} onClose={() => act(null)} /> : null}
      {doing === 'remove' ? <RemoveEnvironment environment={environment} onDone={() => go('/environments')} onClose={() => act(null)} /> : null}
    </Page>
  )
}
