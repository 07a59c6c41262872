/** Signing in: by the one-time link that brought the reader here, by password, or through an identity provider. */
import { Alert, Button, Form, FormGroup, LoginPage, Spinner, TextInput } from '@patternfly/react-core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useEffect, useRef, useState, type FormEvent } from 'react'

import { send } from '../../api/client'
import { address } from '../../api/place'
import mark from '../../mark.svg'
import { Copied } from '../../parts/Copied'
import { useGo } from '../../parts/Go'
import { useUrl } from '../../parts/url'
import { Wrong } from '../../parts/Wrong'

interface Ways {
  password: boolean
  oidc: { name: string; title: string }[]
}

/** A path of ours and nothing else: "//host" and "/\host" are other sites to a browser. */
export function safeNext(next: string | undefined): string {
  return next && /^\/(?![/\\])/.test(next) && !next.startsWith('/login') ? next : '/fleet'
}

/** The token in the fragment, taken out of the address at once: it is for nobody's history. */
function takeToken(): string {
  const found = new URLSearchParams(window.location.hash.slice(1)).get('t') ?? ''
  if (found) window.history.replaceState(window.history.state, '', window.location.pathname + window.location.search)
  return found
}

export function Login() {
  const [url] = useUrl()
  const next = safeNext(url.next)
  const go = useGo()
  const client = useQueryClient()
  const [user, setUser] = useState('')
  const [password, setPassword] = useState('')
  const [wrong, fail] = useState<unknown>(null)
  const [working, work] = useState(false)
  const begun = useRef(false)
  const [link, setLink] = useState('')

  const enter = async (path: string, body: unknown) => {
    work(true)
    fail(null)
    try {
      await send(path, { method: 'POST', body })
      client.clear()
      go(next, true)
    } catch (error) {
      fail(error)
    } finally {
      work(false)
    }
  }
  useEffect(() => {
    document.title = 'Sign in · Portreeve'
    if (begun.current) return // a link is used once, and so is this
    begun.current = true
    const token = takeToken()
    if (!token) return
    setLink(token)
    void enter('/api/v1/sign-in/link', { token })
  }, [])
  const { data: ways } = useQuery({ queryKey: ['ways'], queryFn: () => send<Ways>('/api/v1/sign-in') })

  const submit = (event: FormEvent) => {
    event.preventDefault()
    void enter('/api/v1/sign-in/password', { user, password })
  }

  return (
    <LoginPage
      loginTitle="Sign in"
      loginSubtitle="Which image may run where, with which credential, until when, and why."
      brandImgSrc={mark}
      brandImgAlt="Portreeve"
      textContent="Portreeve"
    >
      {working ? (
        <p role="status">
          <Spinner size="md" aria-label="Signing in" /> Signing in…
        </p>
      ) : null}
      {wrong ? <Wrong error={wrong} title={link ? 'The link does not count any more' : 'Not signed in'} /> : null}
      {wrong && link ? (
        <Alert variant="info" isInline title="Ask for another link where the control plane runs">
          <Copied text="portreeve up --link" what="the command" />
        </Alert>
      ) : null}
      <Form onSubmit={submit}>
        <FormGroup label="User" fieldId="user" isRequired>
          <TextInput id="user" name="username" autoComplete="username" isRequired value={user} onChange={(_, text) => setUser(text)} />
        </FormGroup>
        <FormGroup label="Password" fieldId="password" isRequired>
          <TextInput
            id="password"
            name="password"
            type="password"
            autoComplete="current-password"
            isRequired
            value={password}
            onChange={(_, text) => setPassword(text)}
          />
        </FormGroup>
        <Button type="submit" variant="primary" isBlock isDisabled={!user || !password || working}>
          Sign in
        </Button>
      </Form>
      {ways?.oidc.map((one) => (
        <Button
          key={one.name}
          component="a"
          variant="secondary"
          isBlock
          href={address(`/api/v1/sign-in/oidc/${encodeURIComponent(one.name)}/start?next=${encodeURIComponent(next)}`)}
        >
          Sign in with {one.title}
        </Button>
      ))}
    </LoginPage>
  )
}
