/** Access: who may pull from which registry, where; what is missing, what is too much, and what clusters ask for. */
import './access.css'

import { Tab, Tabs, TabTitleText } from '@patternfly/react-core'
import type { ReactNode } from 'react'

import { codeOfCall, InCode } from '../../parts/InCode'
import { Page } from '../../parts/Page'
import { useUrl } from '../../parts/url'
import { Grants } from './Grants'
import { MatrixView } from './Matrix'
import { Needed } from './Needed'
import { Requests } from './Requests'
import { Unused } from './Unused'

const VIEWS: { view: string; title: string; content: () => ReactNode; path: string; argv?: string[] }[] = [
  {
    view: 'matrix',
    title: 'Namespaces',
    content: () => <MatrixView rows="namespaces" />,
    path: '/api/v1/access-matrix?rows=namespaces',
  },
  {
    view: 'people',
    title: 'Users and teams',
    content: () => <MatrixView rows="people" />,
    path: '/api/v1/access-matrix?rows=people',
  },
  { view: 'needed', title: 'Needed, not granted', content: () => <Needed />, path: '/api/v1/access-needed', argv: ['needed'] },
  { view: 'unused', title: 'Granted, not used', content: () => <Unused />, path: '/api/v1/access-unused', argv: ['unused'] },
  { view: 'requests', title: 'Requests', content: () => <Requests />, path: '/api/v1/access-requests', argv: ['requests'] },
  { view: 'grants', title: 'Accesses', content: () => <Grants />, path: '/api/v1/access', argv: ['get', 'access'] },
]

/** What of the address belongs to a view, and is left behind with it. */
const OWN = ['q', 'group', 'environment', 'namespace', 'registry', 'project', 'state', 'cursor', 'sort', 'columns', 'cell']

export function Access() {
  const [url, set] = useUrl()
  const at = VIEWS.find((one) => one.view === url.view) ?? VIEWS[0]
  if (!at) return null
  return (
    <Page
      title="Access"
      about="Which namespace may pull from which registry; on Docker and Swarm, which user or team."
      actions={<InCode code={codeOfCall({ method: 'GET', path: at.path, ...(at.argv ? { argv: at.argv } : {}) })} what={`Read what stands under ${at.title}`} />}
    >
      <Tabs
        activeKey={at.view}
        onSelect={(_, view) => set({ ...Object.fromEntries(OWN.map((name) => [name, undefined])), view: view === 'matrix' ? undefined : String(view) }, true)}
        aria-label="Views of access"
        mountOnEnter
        unmountOnExit
      >
        {VIEWS.map((one) => (
          <Tab key={one.view} eventKey={one.view} title={<TabTitleText>{one.title}</TabTitleText>}>
            {one.view === at.view ? one.content() : null}
          </Tab>
        ))}
      </Tabs>
    </Page>
  )
}
