"""Convolution as implicit.py's kernels, wrapped"""
from __future__ import annotations
import numpy as np
from functools import lru_cache
from . import team as teams
from .correlation import *
from .correlation import Correlation,panels,vectors
from .weight_gradient import weight_gradient
from . import planes
from .threads import MOST_PIECES

def cut(n, work):
    smallest=max(1, -(-(1<<18)//max(work,1)))
    count=max(1,min(MOST_PIECES,n//smallest)); images=-(-n//count)
    return images, -(-n//images)

def forward_shape(x_shape,F,win,relu=False):
    _,H,W,C=x_shape
    return Correlation(H,W,C,win.top,win.bottom,win.left,win.right,win.KH,win.KW,win.SH,win.SW,win.OH,win.OW,F,win.OW*F,F,win.OH*win.OW*F,0,relu)

def conv2d(x,w,b,win,y,relu=False):
    s=forward_shape(x.shape,w.shape[3],win,relu)
    images,pieces=cut(len(x),s.multiply_adds)
    teams.call(correlation(s,x.dtype),x,packed(w,x.dtype),packed_bias(b,w.shape[3],x.dtype),y.reshape(-1),images,pieces)

@lru_cache(256)
def phases(H,W,C,F,win):
    out=[]
    def axis(size,lead,K,S,O):
        for r in range(S):
            first=(r-lead)%S
            if first>=size: continue
            count=-(-(size-first)//S)
            taps=len(range(r,K,S))
            q0=(first+lead)//S
            yield r,first,count,taps,(taps-1)-q0, (q0+count-1)-(O-1)
    for ri,fi,ci,ti,topi,boti in axis(H,win.top,win.KH,win.SH,win.OH):
        for rj,fj,cj,tj,l,rr in axis(W,win.left,win.KW,win.SW,win.OW):
            s=Correlation(win.OH,win.OW,F,topi,boti,l,rr,ti,tj,1,1,ci,cj,C,win.SH*W*C,win.SW*C,H*W*C,(fi*W+fj)*C,False) if ti and tj else None
            out.append((ri,rj,fi,fj,s))
    return out

def conv2d_backward(dy,x,w,win,dx,dw,db):
    F=w.shape[3]; s=forward_shape(x.shape,F,win)
    if dx is not None:
        _,H,W,C=x.shape
        for ri,rj,fi,fj,ps in phases(H,W,C,F,win):
            if ps is None: dx[:,fi::win.SH,fj::win.SW]=0; continue
            ww=w[ri::win.SH,rj::win.SW][::-1,::-1].transpose(0,1,3,2)
            images,pieces=cut(len(x),ps.multiply_adds)
            if planes.worth_it(ps,x.dtype):
                teams.call(planes.correlation(ps,x.dtype),dy,planes.packed(ww),dx.reshape(-1),images,pieces); continue
            teams.call(correlation(ps,x.dtype),dy,packed(ww,x.dtype),packed_bias(None,C,x.dtype),dx.reshape(-1),images,pieces)
    np_=panels(F,vectors(),x.itemsize).count
    images,pieces=cut(len(x),s.multiply_adds)
    limit=max(1,-(-16//np_)); 
    if pieces>limit:
        images=-(-len(x)//limit); pieces=-(-len(x)//images)
    dws=np.empty((pieces,w.size),w.dtype); dbs=np.empty((pieces,F),w.dtype)
    teams.call(weight_gradient(s,x.dtype),x,dy,dws,dbs,dw.reshape(-1),db,images)
