import { Page } from '../../parts/Page'
import { Teach } from '../../parts/Teach'

export function Deploy() {
  return (
    <Page title="Deploy" about="Pick an image that will be admitted.">
      <Teach title="Deploy">Pick an image that will be admitted.</Teach>
    </Page>
  )
}
