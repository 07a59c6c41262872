import { Page } from '../../parts/Page'
import { Teach } from '../../parts/Teach'

export function Settings() {
  return (
    <Page title="Settings" about="People, roles, tokens and settings.">
      <Teach title="Settings">People, roles, tokens and settings.</Teach>
    </Page>
  )
}
