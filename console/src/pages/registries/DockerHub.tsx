/** Docker Hub without signing in, shown as what it is: a question of policy, and which plane answers it. */
import { Card, CardBody, CardTitle, DescriptionList, DescriptionListDescription, DescriptionListGroup, DescriptionListTerm, Switch } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'

import { send } from '../../api/client'
import { fresh, type Document } from '../../api/documents'
import { useMay } from '../../api/session'
import { AdmittedImage } from '../../parts/Admitted'
import { ConfirmChange } from '../../parts/ConfirmChange'
import { Fresh } from '../../parts/Fresh'
import { Go } from '../../parts/Go'
import { StateLabel } from '../../parts/State'
import { counted, type Used } from './model'

interface Answer {
  metadata: { anonymousDockerHub: { uses: Used; shownIn: string[] } }
}

interface Settings {
  hideAnonymousDockerHub?: boolean
}

/** An image of Docker Hub that nobody has approved by name; what is said of it is said of all that are like it. */
const ANY_IMAGE = 'docker.io/library/hello-world'

export function DockerHub() {
  const { data, dataUpdatedAt } = useQuery({
    queryKey: ['registries', 'docker-hub'],
    queryFn: () => send<Answer>('/api/v1/registry-overview', { query: { limit: 1 } }),
    refetchInterval: 60_000,
  })
  if (!data) return null
  const { uses, shownIn } = data.metadata.anonymousDockerHub
  return (
    <Card isCompact component="section" aria-labelledby="docker-hub" className="apart">
      <CardTitle component="h2" id="docker-hub">
        Docker Hub without signing in
      </CardTitle>
      <CardBody>
        <p>
          {uses.workloads
            ? `${counted(uses.workloads, 'workload runs', 'workloads run')} ${counted(uses.images, 'image')} from docker.io that no registry here covers, in ${counted(uses.environments, 'environment')}.`
            : 'No running image from docker.io is seen that no registry here covers.'}{' '}
          It is no registry with a credential but a question of policy: anybody may publish there, and pulls are limited by address.{' '}
          <Fresh at={dataUpdatedAt} what="asked" />
        </p>
        <DescriptionList isHorizontal isCompact aria-label="Enforced by">
          <DescriptionListGroup>
            <DescriptionListTerm>In lists of registries</DescriptionListTerm>
            <DescriptionListDescription>
              {shownIn.length ? (
                <StateLabel look="warning">offered in {shownIn.join(', ')}</StateLabel>
              ) : (
                <StateLabel look="good">hidden everywhere</StateLabel>
              )}{' '}
              <span className="fresh">deployment time only: hiding it stops nobody who writes a manifest</span>
              <Hide hidden={!shownIn.length} />
            </DescriptionListDescription>
          </DescriptionListGroup>
          <DescriptionListGroup>
            <DescriptionListTerm>By admission</DescriptionListTerm>
            <DescriptionListDescription>
              <AdmittedImage image={ANY_IMAGE} />
            </DescriptionListDescription>
          </DescriptionListGroup>
          <DescriptionListGroup>
            <DescriptionListTerm>By egress</DescriptionListTerm>
            <DescriptionListDescription>
              <StateLabel look="unknown">unknown</StateLabel>{' '}
              <span className="fresh">
                rules are made for each <Go to="/environments">environment</Go>; whether a firewall has them is not seen from here
              </span>
            </DescriptionListDescription>
          </DescriptionListGroup>
        </DescriptionList>
      </CardBody>
    </Card>
  )
}

function Hide({ hidden }: { hidden: boolean }) {
  const may = useMay('settings', 'update')
  const [changing, change] = useState<Document<Settings> | null>(null)
  if (!may.allowed) return <p className="fresh">{may.who}</p>
  const begin = async (hide: boolean) => {
    const found = await send<Document<Settings>>('/api/v1/settings')
    change({ ...fresh('Settings', 'platform', { ...found.spec, hideAnonymousDockerHub: hide }) })
  }
  return (
    <div className="switch">
      <Switch
        id="hide-docker-hub"
        label="Hide for all users"
        isChecked={hidden}
        onChange={(_, checked) => void begin(checked)}
      />
      {changing ? (
        <ConfirmChange
          title={changing.spec.hideAnonymousDockerHub ? 'Hide Docker Hub without signing in' : 'Offer Docker Hub in development'}
          change={{ documents: [changing] }}
          verb={changing.spec.hideAnonymousDockerHub ? 'Hide' : 'Offer'}
          done="Changed the settings"
          onDone={() => change(null)}
          onClose={() => change(null)}
        />
      ) : null}
    </div>
  )
}
