/** What is around every page: navigation, palette, keys, theme, who is signed in. */
import {
  Button,
  Masthead,
  MastheadBrand,
  MastheadContent,
  MastheadLogo,
  MastheadMain,
  MastheadToggle,
  MenuToggle,
  Dropdown,
  DropdownItem,
  DropdownList,
  Nav,
  NavItem,
  NavList,
  Page,
  PageSidebar,
  PageSidebarBody,
  PageToggleButton,
  SkipToContent,
  Spinner,
  ToggleGroup,
  ToggleGroupItem,
  Toolbar,
  ToolbarContent,
  ToolbarGroup,
  ToolbarItem,
} from '@patternfly/react-core'
import MoonIcon from '@patternfly/react-icons/dist/esm/icons/moon-icon'
import DesktopIcon from '@patternfly/react-icons/dist/esm/icons/desktop-icon'
import SearchIcon from '@patternfly/react-icons/dist/esm/icons/search-icon'
import SunIcon from '@patternfly/react-icons/dist/esm/icons/sun-icon'
import BarsIcon from '@patternfly/react-icons/dist/esm/icons/bars-icon'
import { useQueryClient } from '@tanstack/react-query'
import { Outlet, useLocation } from '@tanstack/react-router'
import { useEffect, useRef, useState } from 'react'

import { send } from '../api/client'
import { seesAsOthers, useMe } from '../api/session'
import { viewing } from '../api/viewing'
import mark from '../mark.svg'
import { Go, useGo } from '../parts/Go'
import { zoneOf } from '../parts/time'
import { useAlong, useUrl } from '../parts/url'
import { Wrong } from '../parts/Wrong'
import { Keyboard } from './Keyboard'
import { PLACES } from './navigation'
import { own } from './own'
import { Palette } from './Palette'
import { setTheme, theme, type Theme } from './theme'
import { Viewing } from './Viewing'

/** Pages that need no sign-in. */
const OPEN = ['/login', '/why']

export function Shell() {
  const path = useLocation({ select: (at) => at.pathname })
  const me = useMe()
  const go = useGo()
  const open = OPEN.some((one) => path === one || path.startsWith(`${one}/`))
  const signedOut = me.data === null && !open
  useEffect(() => {
    if (!signedOut) return
    const next = `${path}${window.location.search}`
    go(`/login?next=${encodeURIComponent(next)}`, true)
  }, [signedOut])

  if (path === '/login') return <Outlet />
  if (me.error) {
    return (
      <main className="alone">
        <Wrong error={me.error} again={() => void me.refetch()} />
        {viewing ? <a href={own(window.location)}>See it as yourself</a> : null}
      </main>
    )
  }
  if (me.isPending || signedOut) {
    return (
      <main className="alone" role="status">
        <Spinner aria-label="Loading" />
      </main>
    )
  }
  return <Framed path={path} />
}

function Framed({ path }: { path: string }) {
  const [palette, openPalette] = useState(false)
  const main = useRef<HTMLDivElement>(null)
  const first = useRef(true)
  // A new page begins at its head, for a screen reader and for the keyboard alike.
  useEffect(() => {
    if (first.current) first.current = false
    else document.getElementById('main')?.focus()
  }, [path])
  return (
    <Page
      mainContainerId="main"
      mainTabIndex={-1}
      skipToContent={<SkipToContent href={`${window.location.pathname}${window.location.search}#main`}>Skip to content</SkipToContent>}
      isManagedSidebar
      masthead={<Head openPalette={() => openPalette(true)} />}
      sidebar={
        <PageSidebar>
          <PageSidebarBody>
            <Nav aria-label="Console">
              <NavList>
                {PLACES.map((one) => (
                  <NavItem key={one.path} itemId={one.path} isActive={path === one.path || path.startsWith(`${one.path}/`)} preventDefault>
                    <Go to={one.path} {...(path.startsWith(one.path) ? { 'aria-current': 'page' as const } : {})}>
                      {one.title}
                    </Go>
                  </NavItem>
                ))}
              </NavList>
            </Nav>
          </PageSidebarBody>
        </PageSidebar>
      }
    >
      {viewing ? <Viewing /> : null}
      <div ref={main} className="page">
        <Outlet />
      </div>
      <Keyboard openPalette={() => openPalette(true)} />
      <Palette open={palette} close={() => openPalette(false)} />
    </Page>
  )
}

function Head({ openPalette }: { openPalette: () => void }) {
  return (
    <Masthead>
      <MastheadMain>
        <MastheadToggle>
          <PageToggleButton variant="plain" aria-label="Navigation" icon={<BarsIcon />} />
        </MastheadToggle>
        <MastheadBrand>
          <MastheadLogo component={(props) => <Go to="/fleet" {...props} />}>
            <img src={mark} alt="" width="28" height="28" /> <span className="brand">Portreeve</span>
          </MastheadLogo>
        </MastheadBrand>
      </MastheadMain>
      <MastheadContent>
        <Toolbar isFullHeight isStatic>
          <ToolbarContent>
            <ToolbarItem>
              <Button variant="secondary" icon={<SearchIcon />} onClick={openPalette} aria-keyshortcuts="Control+K Meta+K">
                Search and commands
              </Button>
            </ToolbarItem>
            <ToolbarGroup align={{ default: 'alignEnd' }}>
              <ToolbarItem>
                <Times />
              </ToolbarItem>
              <ToolbarItem>
                <Themes />
              </ToolbarItem>
              <ToolbarItem>
                <Person />
              </ToolbarItem>
            </ToolbarGroup>
          </ToolbarContent>
        </Toolbar>
      </MastheadContent>
    </Masthead>
  )
}

const THEMES: [Theme, string, React.ReactNode][] = [
  ['light', 'Light theme', <SunIcon key="light" />],
  ['dark', 'Dark theme', <MoonIcon key="dark" />],
  ['system', "The system's theme", <DesktopIcon key="system" />],
]

function Themes() {
  const [chosen, choose] = useState(theme)
  return (
    <ToggleGroup aria-label="Theme">
      {THEMES.map(([one, title, icon]) => (
        <ToggleGroupItem
          key={one}
          icon={icon}
          aria-label={title}
          isSelected={chosen === one}
          onChange={() => {
            setTheme(one)
            choose(one)
          }}
        />
      ))}
    </ToggleGroup>
  )
}

const ZONES: [string, string][] = [
  ['', 'Ago'],
  ['local', 'Local'],
  ['utc', 'UTC'],
]

/** How this page writes times. It is in the address: who is sent it reads the same. */
function Times() {
  const [, set] = useUrl()
  const zone = zoneOf(useAlong().tz) ?? ''
  return (
    <ToggleGroup aria-label="Times">
      {ZONES.map(([one, title]) => (
        <ToggleGroupItem key={one} text={title} isSelected={zone === one} onChange={() => set({ tz: one })} />
      ))}
    </ToggleGroup>
  )
}

function Person() {
  const { data: me } = useMe()
  const [open, set] = useState(false)
  const go = useGo()
  const client = useQueryClient()
  if (!me) {
    return (
      <Button variant="link" onClick={() => go('/login')}>
        Sign in
      </Button>
    )
  }
  const leave = async () => {
    await send('/api/v1/sign-out', { method: 'POST' })
    client.clear()
    go('/login')
  }
  return (
    <Dropdown
      isOpen={open}
      onSelect={() => set(false)}
      onOpenChange={set}
      toggle={(toggle) => (
        <MenuToggle ref={toggle} isExpanded={open} onClick={() => set(!open)}>
          {me.askedBy ? `${me.askedBy} as ${me.user}` : me.title || me.user}
        </MenuToggle>
      )}
    >
      <DropdownList>
        <DropdownItem key="roles" isDisabled description={me.roles.map((one) => one.role).join(', ') || 'no role'}>
          {me.user}
        </DropdownItem>
        {me.askedBy ? (
          <DropdownItem key="own" to={own(window.location)}>
            Stop viewing as {me.user}
          </DropdownItem>
        ) : (
          <>
            <DropdownItem key="settings" onClick={() => go('/settings?tab=me')}>
              My tokens and sessions
            </DropdownItem>
            {seesAsOthers(me) ? (
              <DropdownItem key="as" onClick={() => go('/settings?tab=users')}>
                View as somebody else
              </DropdownItem>
            ) : null}
            <DropdownItem key="leave" onClick={() => void leave()}>
              Sign out
            </DropdownItem>
          </>
        )}
      </DropdownList>
    </Dropdown>
  )
}
