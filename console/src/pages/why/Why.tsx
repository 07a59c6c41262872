import { Page } from '../../parts/Page'
import { Teach } from '../../parts/Teach'

export function Why() {
  return (
    <Page title="Why was I blocked?" about="A refusal explained, with what is allowed instead.">
      <Teach title="Why was I blocked?">A refusal explained, with what is allowed instead.</Teach>
    </Page>
  )
}
