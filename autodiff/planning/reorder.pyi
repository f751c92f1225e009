"""Types of the compiled list schedule."""

import numpy as np
from numpy.typing import NDArray

from autodiff.planning.network import Network

def least_bytes_first(network: Network, last: bool = False) -> NDArray[np.int64]: ...
