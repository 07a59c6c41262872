/** The ways to sign in, and how another identity provider is added. */
import { Title } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'

import { send } from '../../api/client'
import { whole } from '../../api/place'
import { Copied } from '../../parts/Copied'
import { Wrong } from '../../parts/Wrong'

interface Ways {
  password: boolean
  oidc: { name: string; title: string }[]
}

const FILE = `{"issuers": [{
  "name": "company",
  "title": "Company account",
  "issuer": "https://id.example.com/realms/company",
  "client_id": "portreeve",
  "client_secret_file": "company.secret"
}]}`

export function SignIn() {
  const { data, error, refetch } = useQuery({ queryKey: ['ways'], queryFn: () => send<Ways>('/api/v1/sign-in') })
  if (error) return <Wrong error={error} again={() => void refetch()} />
  if (!data) return null
  return (
    <>
      <section aria-labelledby="ways">
        <Title headingLevel="h2" size="lg" id="ways">Ways to sign in</Title>
        <ul>
          <li>A password, which each sets for themselves.</li>
          <li>A one-time link for an administrator, made where the control plane runs: for the first sign-in, and for a lost password.</li>
          {data.oidc.map((one) => (
            <li key={one.name}>
              {one.title}: the identity provider <code>{one.name}</code>. The address to register there: <code>{whole(`/api/v1/sign-in/oidc/${one.name}/callback`)}</code>
            </li>
          ))}
        </ul>
        {data.oidc.length ? null : <p>There is no identity provider.</p>}
      </section>
      <section aria-labelledby="link">
        <Title headingLevel="h2" size="lg" id="link">A one-time link</Title>
        <Copied text="portreeve up --link" what="the command" />
      </section>
      <section aria-labelledby="provider">
        <Title headingLevel="h2" size="lg" id="provider">Add an identity provider</Title>
        <p>In a file that PORTREEVE_SERVER_OIDC_FILE names, beside the secret in a file of its own. The page docs/people.md has every field.</p>
        <Copied text={FILE} what="the file" />
      </section>
    </>
  )
}
