/** People, roles, tokens, and what holds for the whole control plane. Each tab is loaded when it is opened. */
import { Tab, Tabs, TabTitleText } from '@patternfly/react-core'
import type { ReactNode } from 'react'

import { Page } from '../../parts/Page'
import { useUrl } from '../../parts/url'
import { Me } from './Me'
import { Projects, Roles, Teams, Users } from './People'
import { Platform } from './Platform'
import { Server } from './Server'
import { SignIn } from './SignIn'
import './settings.css'

const TABS: [string, string, () => ReactNode][] = [
  ['me', 'My account', () => <Me />],
  ['users', 'Users', () => <Users />],
  ['teams', 'Teams', () => <Teams />],
  ['roles', 'Roles', () => <Roles />],
  ['projects', 'Projects', () => <Projects />],
  ['sign-in', 'Sign-in', () => <SignIn />],
  ['platform', 'Platform', () => <Platform />],
  ['server', 'This server', () => <Server />],
]

export function Settings() {
  const [url, setUrl] = useUrl()
  const open = TABS.find(([name]) => name === url.tab)?.[0] ?? 'me'
  // Filters and pages of one tab mean nothing in another.
  const change = (tab: string) => setUrl({ ...Object.fromEntries(Object.keys(url).map((name) => [name, undefined])), tab }, true)
  return (
    <Page title="Settings" about="Your own account, who may do what, and what holds for the whole control plane.">
      <Tabs activeKey={open} onSelect={(_, tab) => change(String(tab))} aria-label="Settings" mountOnEnter unmountOnExit>
        {TABS.map(([name, title, shown]) => (
          <Tab key={name} eventKey={name} title={<TabTitleText>{title}</TabTitleText>}>
            <div className="tab-body">{shown()}</div>
          </Tab>
        ))}
      </Tabs>
    </Page>
  )
}
