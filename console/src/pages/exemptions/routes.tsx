import { createRoute, lazyRouteComponent } from '@tanstack/react-router'

import { root } from '../../root'

export const exemptionRoutes = [
  createRoute({ getParentRoute: () => root, path: '/exemptions', component: lazyRouteComponent(() => import('./Exemptions'), 'Exemptions') }),
  createRoute({ getParentRoute: () => root, path: '/exemptions/new', component: lazyRouteComponent(() => import('./NewExemption'), 'NewExemption') }),
  createRoute({ getParentRoute: () => root, path: '/exemptions/$name', component: lazyRouteComponent(() => import('./Exemption'), 'Exemption') }),
]
