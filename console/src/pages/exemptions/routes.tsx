import { createRoute, lazyRouteComponent } from '@tanstack/react-router'

import { root } from '../../root'

export const exemptionRoutes = [
  createRoute({ getParentRoute: () => root, path: '/exemptions', component: lazyRouteComponent(() => import('./Exemptions'), 'Exemptions') }),
]
