/** What the control plane was told where it was started; changed there, and nowhere else. */
import { Alert, DescriptionList, DescriptionListDescription, DescriptionListGroup, DescriptionListTerm, Spinner, Title } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import type { ReactNode } from 'react'

import { api } from '../../api/client'
import { Copied } from '../../parts/Copied'
import { Fresh } from '../../parts/Fresh'
import { Wrong } from '../../parts/Wrong'

interface Problem {
  code: string
  message: string
  hint: string
}

export function Server() {
  const { data, error, dataUpdatedAt, refetch } = useQuery({
    queryKey: ['server'],
    queryFn: async ({ signal }) => (await api.GET('/api/v1/server', { signal })).data,
  })
  if (error) return <Wrong error={error} again={() => void refetch()} />
  if (!data) return <Spinner aria-label="Loading" />
  const problems = data.problems as unknown as Problem[]
  return (
    <>
      {problems.map((one, index) => (
        <Alert key={index} variant="warning" isInline title={one.message}>
          {one.hint} <code>{one.code}</code>
        </Alert>
      ))}
      <p className="about">
        These come from the environment of its process (docs/howto/start.md) and hold from its start. <Fresh at={dataUpdatedAt} what="asked" />
      </p>
      <DescriptionList isHorizontal isCompact aria-label="This server">
        <Fact term="Version">{data.version}</Fact>
        <Fact term="Public address">
          {data.publicUrl || 'none: admission messages hold no link to the page that explains them (PUBLIC_URL)'}
        </Fact>
        <Fact term="TLS">{data.tls ? 'ended here' : 'not ended here'}</Fact>
        <Fact term="Database">{data.database === 'sqlite' ? 'embedded' : 'PostgreSQL'}</Fact>
        <Fact term="Private addresses that may be contacted">
          <Listed found={data.privateAddresses} none="none: registries on private or loopback addresses are refused" />
        </Fact>
        <Fact term="Further names that are answered">
          <Listed found={data.allowedHosts} none="none" />
        </Fact>
        <Fact term="Receivers of the audit log">
          <Listed found={data.auditSinks} none="none" />
        </Fact>
        <Fact term="Clusters kept from here">
          <Listed found={data.localClusters} none="none" />
        </Fact>
        <Fact term="Metrics">{data.metrics}</Fact>
      </DescriptionList>
      <section aria-labelledby="private">
        <Title headingLevel="h2" size="lg" id="private">Allow a private address</Title>
        <p>
          A registry on your own network has a private address. Whoever starts the control plane lists its network; link-local and metadata addresses are never
          contacted.
        </p>
        <Copied text={`PORTREEVE_SERVER_PRIVATE_ADDRESSES=${[...data.privateAddresses, '10.0.0.0/24'].join(',')} portreeve up`} what="the command" />
      </section>
    </>
  )
}

function Fact({ term, children }: { term: string; children: ReactNode }) {
  return (
    <DescriptionListGroup>
      <DescriptionListTerm>{term}</DescriptionListTerm>
      <DescriptionListDescription>{children}</DescriptionListDescription>
    </DescriptionListGroup>
  )
}

function Listed({ found, none }: { found: string[]; none: string }) {
  return found.length ? <code>{found.join(', ')}</code> : <>{none}</>
}
